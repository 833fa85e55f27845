/** What plain JavaScript can get wrong with a MemoryStore. */

import { assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { MemoryStore } from "../../backends/memory.ts";

/** What no type lets pass. */
const wrong = (value: unknown) => value as never;

describe("wrong arguments of new MemoryStore", () => {
  it("are refused, and the message says what is meant", () => {
    const buffer = new ArrayBuffer(16);
    const calls: [() => unknown, string][] = [
      [() => new MemoryStore(wrong(undefined)), "Expected source to be a length, a buffer, a view"],
      [() => new MemoryStore(wrong("data.bin")), 'got the string "data.bin"'],
      [() => new MemoryStore(wrong([1, 2])), "got an object of type Array"],
      [() => new MemoryStore(wrong(null)), "got null"],
      [() => new MemoryStore(8, wrong(16)), "limits to be an object with maxByteLength, got 16"],
      [() => new MemoryStore(8, wrong(null)), "limits to be an object"],
      [() => new MemoryStore(8, wrong({ maxBytes: 16 })), "with maxByteLength, got maxBytes"],
      [() => new MemoryStore(8, wrong({ byteOffset: 0 })), "with maxByteLength, got byteOffset"],
      [() => new MemoryStore(8, { maxByteLength: wrong("16") }), "maxByteLength"],
      [() => new MemoryStore(buffer, wrong(8)), "window to be an object with byteOffset, byteLe"],
      [() => new MemoryStore(buffer, wrong(null)), "window to be an object"],
      [() => new MemoryStore(buffer, wrong({ offset: 8 })), "with byteOffset, byteLength, got off"],
      [() => new MemoryStore(buffer, wrong({ length: 8 })), "got length"],
      [
        () => new MemoryStore(buffer, wrong({ maxByteLength: 8 })),
        "byteOffset, byteLength, got maxByteLength",
      ],
      [() => new MemoryStore(buffer, { byteOffset: wrong("8") }), "byteOffset"],
      [() => new MemoryStore(buffer, { byteLength: wrong("8") }), "byteLength"],
    ];
    for (const [call, message] of calls) assertThrows(call, TypeError, message);
    assertStrictEquals(new MemoryStore(buffer, undefined).byteLength, 16);
  });
});
