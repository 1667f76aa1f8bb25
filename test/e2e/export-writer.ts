import { writeSync } from 'node:fs';
import type { WallMs } from '../../src/core/time.ts';
import type { SeriesTable } from '../../src/formats/series-table.ts';
import { writeGeopackage } from '../../src/runtime/geopackage-file.ts';
import { writeNetcdf } from '../../src/runtime/netcdf-file.ts';

/**
 * Exports one table again and again, each time with the next version, and says each version that is in place. Version `n` has 20,000 rows that all hold the value n. An export that fails
 * ends the program: its last line is then the error's code. Arguments: `nc` or `gpkg`, the target, first version.
 */
const [format, path, first] = process.argv.slice(2) as [string, string, string];
const rowCount = 20_000;
const flags = new Uint8Array(2).fill(1);

function tableOf(version: number): SeriesTable {
  return {
    station: { identifier: 'lake', name: 'Lake' },
    table: 'Fast',
    format: 'toa5',
    loggerModel: '',
    loggerSerial: '',
    fields: [
      { name: 'version', unit: '', processing: 'Smp', kind: 'number' },
      { name: 'noise', unit: '', processing: 'Smp', kind: 'number' },
    ],
    rowCount,
    attributes: {},
    *rows() {
      const cells = [String(version), ''];
      for (let index = 0; index < rowCount; index++) {
        // Digits that do not compress: the file must grow for a limit on its size to be met.
        cells[1] = String(Math.sin(index * version + 1));
        yield { timeUs: index * 1e6, cells, flags };
      }
    },
  };
}

const write = format === 'nc' ? writeNetcdf : writeGeopackage;
for (let version = Number(first); ; version++) {
  try {
    await write(path, [tableOf(version)], { createdMs: 0 as WallMs });
  } catch (error) {
    writeSync(1, `${(error as { code: string }).code}\n`);
    break;
  }
  writeSync(1, `${version}\n`);
}
