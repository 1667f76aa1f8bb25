import { expect, it } from 'vitest';
import { GodwitError } from '../../../src/core/errors.ts';
import { diskFull, exportFailed, saysFull } from '../../../src/runtime/export-error.ts';

const hdf5Story = `HDF5-DIAG: Error detected in HDF5 (2.0.0):
  #000: H5D.c line 477 in H5Dclose(): can't decrement count on dataset ID
    major: Dataset
  #025: H5FDsec2.c line 775 in H5FD__sec2_write(): file write failed: time = Sun Nov 22 11:15:38 2026
, filename = 'a.nc', file descriptor = 3, errno = 29, error message = 'I/O error', buf = 0x34e574`;

it("finds the operating system's words in what HDF5 tells", () => {
  expect(exportFailed('a.nc', new Error(hdf5Story))).toMatchObject({ code: 'EXPORT_FAILED', message: 'could not write a.nc: I/O error' });
  expect(saysFull(hdf5Story)).toBe(false);
  expect(saysFull(hdf5Story.replace('I/O error', 'No space left on device'))).toBe(true);
});

it('keeps to the first line of any other error, and keeps the cause', () => {
  const cause = new Error('first\nsecond');
  expect(exportFailed('a.nc', cause)).toMatchObject({ message: 'could not write a.nc: first', cause });
  expect(exportFailed('a.nc', 'thrown text').message).toBe('could not write a.nc: thrown text');
});

it('leaves an error that has its code already as it is', () => {
  const error = new GodwitError('DISK_FULL', 'full');
  expect(exportFailed('a.nc', error)).toBe(error);
});

it('says that a full disk may be tried again', () => {
  expect(diskFull('a.nc', undefined)).toMatchObject({ code: 'DISK_FULL', retryable: true, message: expect.stringContaining('a.nc') });
});
