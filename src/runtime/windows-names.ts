/**
 * Names that Windows cannot store, or stores as something else ("Naming Files, Paths, and Namespaces", Microsoft Learn). Linux and macOS take all of them, so they do arrive.
 */

const deviceName = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])$/i;
const forbidden = /[\u0000-\u001f<>:"|?*\\/]/;

/** Why Windows cannot keep a file under this name, as the end of a sentence, or `undefined` when it can. */
export function windowsNameProblem(name: string): string | undefined {
  const character = forbidden.exec(name)?.[0];
  if (character !== undefined) return `no name may hold ${JSON.stringify(character)}`;
  // The device is meant whatever extension follows: `nul.txt` is as lost as `nul`.
  const stem = (name.split('.')[0] as string).trimEnd();
  if (deviceName.test(stem)) return `${stem} is a device`;
  if (/[. ]$/.test(name)) return 'no name may end in a dot or a space';
  return undefined;
}
