import { describe, expect, it } from 'vitest';
import { windowsNameProblem } from '../../../src/runtime/windows-names.ts';

describe('a name on Windows', () => {
  it.each(['a', 'June 2024.dat', '.hidden', 'Grüße', 'console', 'com', 'com10', 'null.txt', 'aux1'])('can be stored: %j', (name) => {
    expect(windowsNameProblem(name)).toBeUndefined();
  });

  it.each(['CON', 'nul', 'NUL.txt', 'aux.tar.gz', 'COM1', 'lpt9.dat', 'COM¹', 'con .txt', 'CONIN$'])('is a device: %j', (name) => {
    expect(windowsNameProblem(name)).toContain('device');
  });

  it.each(['a:b', 'a?', 'a*', 'a<b', 'a>b', 'a|b', 'a"b', 'a\\b', 'a/b', 'a\tb'])('holds what no name may: %j', (name) => {
    expect(windowsNameProblem(name)).toContain('hold');
  });

  it.each(['a.', 'a ', '...'])('ends in what Windows drops: %j', (name) => {
    expect(windowsNameProblem(name)).toContain('end');
  });
});
