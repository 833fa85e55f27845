/** Reading traces, and refusing what is none, by line. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { replayTrace } from "../../src/trace/replay_trace.ts";
import { parseTrace, TraceError } from "../../src/trace/trace.ts";

const HEADER = '{"format":"suballoc-trace","version":1,"capacity":100}';

describe("parseTrace", () => {
  it("reads lines and text, with empty lines and line ends of any kind", () => {
    const lines = [HEADER, '["a",100,16]', '["a",5,"no"]', '["r",0,7]', '["A",9007199254740991,0]'];
    const trace = parseTrace(lines);
    assertEquals([trace.capacity, trace.operationCount, trace.idCount], [100, 4, 3]);
    assertEquals([...trace.steps], [97, 0, 0, 97, 1, 1, 114, 0, 0, 65, 2, 0]);
    assertEquals([...trace.amounts], [100, 16, 5, 1, 7, 0, Number.MAX_SAFE_INTEGER, 0]);
    assertEquals(parseTrace(`${lines.join("\r\n")}\n\n`), trace);
    assertEquals(parseTrace(new Set(lines)), trace);
    assertEquals(parseTrace([HEADER]).operationCount, 0);
    assert(Object.is(parseTrace([HEADER, '["a",-0]']).amounts[0], 0));
  });

  it("keeps long traces whole", () => {
    const lines = Array.from({ length: 1000 }, (_, i) => `["a",${i}]`);
    const trace = parseTrace([HEADER, ...lines]);
    assertEquals(trace.operationCount, 1000);
    for (let i = 0; i < 1000; i++) {
      assertEquals([trace.steps[3 * i + 1], trace.amounts[2 * i]], [i, i]);
    }
  });

  const a = '["a",10]';
  const malformed: readonly (readonly [lines: readonly unknown[], line: number, what: string])[] = [
    [[], 1, "expected a header, got the end"],
    [["", " "], 3, "expected a header, got the end"],
    [["null"], 1, "expected the header of a trace, got null"],
    [["[]"], 1, "expected the header of a trace, got []"],
    [[a], 1, 'expected the header of a trace, got ["a",10]'],
    [["{"], 1, "expected a JSON value, got {"],
    [['{"format":"other","version":1,"capacity":1}'], 1, "expected the header of a trace"],
    [['{"format":"suballoc-trace","version":2,"capacity":1}'], 1, "expected version 1, got 2"],
    [['{"format":"suballoc-trace","capacity":1}'], 1, "expected version 1, got undefined"],
    [['{"format":"suballoc-trace","version":1}'], 1, "expected capacity to be an integer"],
    [['{"format":"suballoc-trace","version":1,"capacity":-1}'], 1, "9007199254740991, got -1"],
    [['{"format":"suballoc-trace","version":1,"capacity":"9"}'], 1, 'got the string "9"'],
    [[HEADER, HEADER], 2, 'expected an operation, such as ["a",100], got {"format"'],
    [[HEADER, "", "x"], 3, "expected a JSON value, got x"],
    [[HEADER, a, "7"], 3, 'expected an operation, such as ["a",100], got 7'],
    [[HEADER, '["b",7]'], 2, "expected an operation"],
    [[HEADER, '["toString"]'], 2, "expected an operation"],
    [[HEADER, "[]"], 2, "expected an operation"],
    [[HEADER, '["a"]'], 2, 'expected ["a",size,alignment?], got ["a"]'],
    [[HEADER, '["a","no"]'], 2, 'expected ["a",size,alignment?], got ["a","no"]'],
    [[HEADER, '["a",1,2,3]'], 2, 'expected ["a",size,alignment?]'],
    [[HEADER, '["A",1]'], 2, 'expected ["A",offset,size]'],
    [[HEADER, a, '["r",0]'], 3, 'expected ["r",id,size]'],
    [[HEADER, '["z",1]'], 2, 'expected ["z"]'],
    [[HEADER, '["g"]'], 2, 'expected ["g",units]'],
    [[HEADER, '["a",-1]'], 2, "expected size to be an integer from 0 to"],
    [[HEADER, '["a",1.5]'], 2, "got 1.5"],
    [[HEADER, '["a",9007199254740992]'], 2, "got 9007199254740992"],
    [[HEADER, '["a",1e999]'], 2, "got Infinity"],
    [[HEADER, '["a","10"]'], 2, 'got the string "10"'],
    [[HEADER, '["a",null]'], 2, "got null"],
    [[HEADER, '["a",1,0]'], 2, "expected alignment to be an integer from 1 to"],
    [[HEADER, '["a",1,null]'], 2, "expected alignment to be an integer from 1 to"],
    [[HEADER, '["S",0,"no"]'], 2, "expected size"],
    [[HEADER, '["g","no"]'], 2, "expected units"],
    [[HEADER, '["f",0]'], 2, "expected the id of a live allocation, got 0"],
    [[HEADER, a, '["f",1]'], 3, "expected the id of a live allocation, got 1"],
    [[HEADER, a, '["f","0"]'], 3, 'expected the id of a live allocation, got the string "0"'],
    [[HEADER, a, '["f",0]', '["f",0]'], 4, "expected the id of a live allocation, got 0"],
    [[HEADER, a, '["f",0]', '["r",0,1]'], 4, "expected the id of a live allocation, got 0"],
    [[HEADER, '["a",10,"no"]', '["f",0]'], 3, "expected the id of a live allocation, got 0"],
    [[HEADER, a, '["z"]', '["m",0,0]'], 4, "expected the id of a live allocation, got 0"],
    [[HEADER, 7], 2, "expected a string, got 7"],
    [[HEADER, `["${"x".repeat(100)}"]`], 2, `got ["${"x".repeat(58)}...`],
  ];

  for (const [lines, line, what] of malformed) {
    it(`refuses line ${line} of ${lines.length}: ${what}`, () => {
      const allocator = new OffsetAllocator(100);
      const error = assertThrows(() => replayTrace(lines as string[], allocator), TraceError, what);
      assertEquals(error.line, line);
      assert(error.message.startsWith(`Cannot read line ${line} of the trace: expected `));
      assertEquals(allocator.allocationCount, 0);
    });
  }
});
