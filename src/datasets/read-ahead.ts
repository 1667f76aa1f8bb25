/**
 * Reads for items of a sequence, some before their turn, and gives out the results in order: while one is used the next ones come from the disk. When the caller stops early, what was begun ends by itself and is dropped.
 */
export async function* readAhead<Item, Result>(
  items: AsyncIterable<Item>,
  readsMax: number,
  read: (item: Item) => Promise<Result>,
): AsyncGenerator<readonly [Item, Result], void, void> {
  const begun: { readonly item: Item; readonly result: Promise<Result> }[] = [];
  for await (const item of items) {
    const result = read(item);
    // It fails when its turn has come; until then nobody waits for it.
    result.catch(() => undefined);
    begun.push({ item, result });
    const first = begun.length < readsMax ? undefined : begun.shift();
    if (first !== undefined) yield [first.item, await first.result];
  }
  for (const { item, result } of begun) yield [item, await result];
}
