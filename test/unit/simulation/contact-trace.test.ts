import { describe, expect, it } from 'vitest';
import { type ContactTrace, contactTraceOf, readContactTrace } from '../../../src/simulation/contact-trace.ts';

function read(text: string, sightingMs?: number): ContactTrace {
  const outcome = readContactTrace(text, sightingMs === undefined ? {} : { sightingMs });
  if (!outcome.ok) throw new Error(outcome.fault.message);
  return outcome.value;
}

function contacts(trace: ContactTrace): string[] {
  return trace.contacts.map(({ a, b, beginMs, endMs }) => `${trace.nodes[a]}-${trace.nodes[b]} ${beginMs}-${endMs}`);
}

function refused(text: string): string {
  const outcome = readContactTrace(text);
  if (outcome.ok) throw new Error('it was read');
  expect(outcome.fault).toMatchObject({ code: 'CONTACT_TRACE_MALFORMED', blame: 'caller' });
  return outcome.fault.message;
}

describe('events of the ONE simulator', () => {
  it('become contacts from up to down', () => {
    const trace = read('10 CONN 0 1 up\n12.5\tCONN\t1\t2\tup\n20 CONN 1 0 down\n30 CONN 1 2 down\n');
    expect(contacts(trace)).toEqual(['0-1 0-10000', '1-2 2500-20000']);
    expect(trace.durationMs).toBe(20_000);
  });

  it('end with the trace where nobody said so, and other events are passed over', () => {
    expect(
      contacts(
        read('0 C M1 1 2 5000\n1 CONN p3 p4 UP\n5 S 1 2 M1\n9 CONN p3 p4 up\n11 CONN p5 p6 up\n11 CONN p5 p6 down\n12 CONN p8 p9 down\n'),
      ),
    ).toEqual(['p3-p4 0-11000', 'p5-p6 10000-10000']);
  });

  it('are refused with their line when they make no sense', () => {
    expect(refused('1 CONN 0 1 up\nx CONN 0 1 down')).toMatch(/^line 2: /);
    expect(refused('1 CONN 0 1 sideways')).toMatch(/up or down/);
    expect(refused('1 CONN 0 0 up')).toMatch(/two nodes/);
    expect(refused('5 CONN 0 1 up\n4 CONN 0 1 down')).toMatch(/before it came up/);
    expect(refused('5 CONN 0 1 up\n6 7 8 9')).toMatch(/not an event/);
  });
});

describe('interval tables', () => {
  it('have two nodes, begin and end in seconds, and anything behind', () => {
    expect(contacts(read('# Haggle\n1 2 100 160 1 0\n\n3 1  130\t190  2 -29\n'))).toEqual(['1-2 0-60000', '3-1 30000-90000'].map(sorted));
  });

  it('are joined where they overlap, touch, or were seen from both sides', () => {
    expect(contacts(read('1 2 0 10\n2 1 5 20\n1 2 20 30\n1 2 31 40\n'))).toEqual(['1-2 0-30000', '1-2 31000-40000']);
  });

  it('are made longer by the interval at which devices looked around', () => {
    expect(contacts(read('1 2 0 0\n1 2 120 120\n', 120_000))).toEqual(['1-2 0-240000']);
  });

  it('are refused with their line when they make no sense', () => {
    expect(refused('1 2 0 10\n1 2 20 10')).toBe('line 2: the contact ends before it begins.');
    expect(refused('1 1 0 10')).toMatch(/with itself/);
    expect(refused('1 2 0')).toMatch(/begin and end/);
    expect(refused('1')).toMatch(/two nodes/);
    expect(refused('')).toMatch(/no line/);
  });
});

describe('CSV of intervals', () => {
  it('names its columns in any order, or has them in that of the tables', () => {
    expect(contacts(read('start,end,node1,node2\n0,10,x,y\n'))).toEqual(['x-y 0-10000']);
    expect(contacts(read('"x";"y";0;10\n'))).toEqual(['x-y 0-10000']);
    expect(contacts(read('x,y,0,10\n'))).toEqual(['x-y 0-10000']);
  });

  it('has durations, milliseconds or instants where it says so', () => {
    expect(contacts(read('a,b,begin,duration\nx,y,100,5\n'))).toEqual(['x-y 0-5000']);
    expect(contacts(read('a,b,begin_ms,end_ms\nx,y,100,500\n'))).toEqual(['x-y 0-400']);
    expect(contacts(read('a,b,begin,end\nx,y,2026-01-01T00:00:00Z,2026-01-01T02:00:00+01:00\n'))).toEqual(['x-y 0-3600000']);
  });

  it('is refused when it has a header and nothing else, or a time that is none', () => {
    expect(refused('a,b,begin,end\n')).toMatch(/no contact/);
    expect(refused('a,b,begin,end\nx,y,soon,later\n')).toMatch(/^line 2: /);
    expect(refused('a,b,begin,end\nx,,0,1\n')).toMatch(/two nodes/);
  });
});

describe('a trace of intervals', () => {
  it('begins at its first contact, and is empty without any', () => {
    expect(contacts(contactTraceOf([{ a: 'x', b: 'y', beginMs: 500, endMs: 700 }]))).toEqual(['x-y 0-200']);
    expect(contactTraceOf([])).toEqual({ nodes: [], contacts: [], durationMs: 0 });
  });
});

/** Contacts name the node that came first in the file first. */
function sorted(contact: string): string {
  return contact.replace('3-1', '1-3');
}
