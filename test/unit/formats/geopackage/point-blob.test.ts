import { expect, it } from 'vitest';
import { pointBlob } from '../../../../src/formats/geopackage/point-blob.ts';

it('writes the header of GeoPackage and then the point, longitude first', () => {
  // By hand from OGC 12-128r17 clause 2.1.3: "GP", version 0, flags 1, SRS 4326 = 0x10e6; then byte order 1, type 1, 8.25, 46.5 as IEEE 754.
  expect(pointBlob(8.25, 46.5).toHex()).toBe(
    ['4750', '00', '01', 'e6100000', '01', '01000000', '0000000000802040', '0000000000404740'].join(''),
  );
});
