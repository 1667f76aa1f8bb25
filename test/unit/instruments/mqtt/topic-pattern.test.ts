import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJson } from '../../../../src/formats/csijson/json-value.ts';
import { isJsonPointer, scalarText, valueAt } from '../../../../src/instruments/mqtt/json-pointer.ts';
import { parseMessageTime } from '../../../../src/instruments/mqtt/message-time.ts';
import { matchTopic, parseTopicPattern } from '../../../../src/instruments/mqtt/topic-pattern.ts';

const match = (pattern: string, topic: string) => {
  const parsed = parseTopicPattern(pattern);
  return parsed.ok ? matchTopic(parsed.value, topic) : parsed.fault.code;
};

describe('a topic pattern', () => {
  it.each([
    ['weather/{station}/+/{field}', 'weather/+/+/+'],
    ['a/#', 'a/#'],
    ['{station}', '+'],
    ['/a//b', '/a//b'],
  ])('%s subscribes to %s', (pattern, filter) => {
    expect(parseTopicPattern(pattern)).toMatchObject({ ok: true, value: { filter } });
  });

  it.each(['', 'a/#/b', 'a+/b', 'a/{x}', '{station}/{station}', 'a/{station', 'a\0', `a/${'b'.repeat(1024)}`])('is not %j', (pattern) => {
    expect(match(pattern, 'a')).toBe('TOPIC_MALFORMED');
  });

  it.each([
    ['weather/{station}/+/{field}', 'weather/ridge/x/airT', { station: 'ridge', field: 'airT' }],
    ['weather/{station}', 'weather/ridge/x', undefined],
    ['weather/{station}/x', 'weather/ridge', undefined],
    ['weather/a', 'weather/b', undefined],
    ['sport/#', 'sport', {}],
    ['sport/#', 'sport/tennis/1', {}],
    ['+/+', '/finance', {}],
    ['#', '$SYS/uptime', undefined],
    ['+/uptime', '$SYS/uptime', undefined],
    ['$SYS/+', '$SYS/uptime', {}],
  ])('%s finds in %s %j', (pattern, topic, expected) => {
    expect(match(pattern, topic)).toEqual(expected);
  });

  it('matches what its own filter would be sent', () => {
    const level = fc.constantFrom('a', 'b', '');
    fc.assert(
      fc.property(
        fc.array(level, { minLength: 1, maxLength: 4 }),
        fc.array(fc.constantFrom('a', 'b', '', '+', '{station}'), { minLength: 1, maxLength: 4 }),
        (topic, pattern) => {
          if (pattern.filter((each) => each === '{station}').length > 1 || pattern.join('/') === '') return;
          const expected =
            topic.length === pattern.length && pattern.every((each, at) => each === '+' || each === '{station}' || each === topic[at]);
          expect(match(pattern.join('/'), topic.join('/')) !== undefined).toBe(expected);
        },
      ),
      { seed: 5, numRuns: 500 },
    );
  });
});

describe('a JSON pointer', () => {
  // RFC 6901, section 5.
  const root = parseJson('{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"m~n":8,"t":true}');
  it.each([
    ['/foo/0', 'bar'],
    ['/', '0'],
    ['/a~1b', '1'],
    ['/c%d', '2'],
    ['/m~0n', '8'],
    ['/t', 'true'],
    ['/foo', undefined],
    ['/foo/2', undefined],
    ['/foo/01', undefined],
    ['/foo/0/x', undefined],
    ['', undefined],
  ])('%s leads to %s', (pointer, expected) => {
    expect(root && scalarText(valueAt(root, pointer))).toBe(expected);
    expect(isJsonPointer(pointer)).toBe(true);
  });

  it.each(['foo', '/a~2', '/~'])('is not %s', (text) => {
    expect(isJsonPointer(text)).toBe(false);
  });
});

describe('a time in a message', () => {
  it.each([
    ['2026-06-01T10:00:00Z', 'iso', { localUs: 1_780_308_000_000_000, offsetMinutes: 0 }],
    ['2026-06-01T12:00:00.5+02:00', 'iso', { localUs: 1_780_315_200_500_000, offsetMinutes: 120 }],
    ['2026-06-01 10:00', 'iso', { localUs: 1_780_308_000_000_000 }],
    ['1780308000', 'unix-seconds', { localUs: 1_780_308_000_000_000, offsetMinutes: 0 }],
    ['1780308000.25', 'unix-seconds', { localUs: 1_780_308_000_250_000, offsetMinutes: 0 }],
    ['1780308000123', 'unix-milliseconds', { localUs: 1_780_308_000_123_000, offsetMinutes: 0 }],
    ['1780308000123', 'unix-seconds', undefined],
    ['-1', 'unix-seconds', undefined],
    ['noon', 'unix-seconds', undefined],
    ['noon', 'iso', undefined],
  ] as const)('%s in the form %s', (text, form, expected) => {
    expect(parseMessageTime(text, form)).toEqual(expected);
  });
});
