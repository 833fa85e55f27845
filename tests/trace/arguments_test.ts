/** Wrong arguments of traces, of plain JavaScript: each is refused by its name. */

import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { parseTrace, RecordingAllocator, replayTrace } from "../../src/trace/mod.ts";

type Call = (...args: unknown[]) => unknown;

const HEADER = '{"format":"suballoc-trace","version":1,"capacity":100}';

describe("arguments of traces", () => {
  const make = () => new OffsetAllocator(100);

  it("name what is recorded and where it goes", () => {
    const record = (...args: unknown[]) =>
      new (RecordingAllocator as new (...args: unknown[]) => unknown)(...args);
    const lines: string[] = [];
    for (const value of [undefined, null, 100, make]) {
      const sink = (line: string) => lines.push(line);
      assertThrows(() => record(value, sink), TypeError, "Expected inner to be an allocator, got ");
    }
    assertEquals(lines, []);
    for (const value of [undefined, null, "trace.jsonl", lines]) {
      assertThrows(() => record(make(), value), TypeError, "Expected sink to be a function, got ");
    }
  });

  it("name what is parsed", () => {
    const parse = parseTrace as Call;
    for (const value of [undefined, null, 5, {}]) {
      assertThrows(
        () => parse(value),
        TypeError,
        "Expected source to be a text or its lines, got ",
      );
    }
    assertEquals(parseTrace([HEADER]).capacity, 100);
  });

  it("name what is replayed, and on what", () => {
    const replay = replayTrace as Call;
    for (const value of [undefined, null, 5, {}]) {
      const message = "Expected source to be a text or its lines, got ";
      assertThrows(() => replay(value, make()), TypeError, message);
    }
    for (const value of [undefined, null, 5, {}]) {
      const message = "Expected target to be an allocator, got ";
      assertThrows(() => replay(HEADER, value), TypeError, message);
    }
    const message = "Expected what target returns to be an allocator, got undefined";
    assertThrows(() => replay(HEADER, () => {}), TypeError, message);
    for (const value of [null, () => {}, { onstep() {} }]) {
      const message = "Expected options to be an object with onStep, got ";
      assertThrows(() => replay(HEADER, make(), value), TypeError, message);
    }
    const noFunction = "Expected onStep to be a function, got 5";
    assertThrows(() => replay(HEADER, make(), { onStep: 5 }), TypeError, noFunction);
  });
});
