/**
 * A point as GeoPackage keeps geometry: a short header of its own and then the point as well-known binary. Stations are points without height; their altitude is a column.
 *
 * Source: OGC 12-128r17 (GeoPackage 1.3) clause 2.1.3; OGC 06-103r4 (well-known binary).
 */

/** EPSG:4326: longitude and latitude on WGS 84. GeoPackage keeps x before y, so longitude comes first. */
export const wgs84SrsId = 4326;

/**
 * The geometry blob of a point.
 *
 * @param longitude degrees east, WGS 84.
 * @param latitude degrees north, WGS 84.
 * @returns 29 bytes: `GP`, version 0, flags (little-endian, no envelope), the reference system, then byte order, geometry type 1, x, y.
 */
export function pointBlob(longitude: number, latitude: number): Uint8Array {
  const bytes = new Uint8Array(29);
  const view = new DataView(bytes.buffer);
  bytes.set([0x47, 0x50, 0, 0b0000_0001]);
  view.setInt32(4, wgs84SrsId, true);
  bytes[8] = 1;
  view.setUint32(9, 1, true);
  view.setFloat64(13, longitude, true);
  view.setFloat64(21, latitude, true);
  return bytes;
}
