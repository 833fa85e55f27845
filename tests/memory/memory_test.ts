/**
 * MemoryStore over every kind of memory, and memory that others resize.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { MemoryStore, type WasmMemory } from "../../backends/memory.ts";
import { StorageError } from "../../src/arena/backing_store.ts";
import type { StoreContractOptions } from "../../src/testing/mod.ts";
import { storeContract } from "../support/store_contract.ts";
import { NO_SIZES, storageError } from "../support/store_helpers.ts";

const PAGE = 65536;

const never: StoreContractOptions["skip"] = {
  async: "memory is synchronous",
  flush: "memory is not durable",
  close: "there is nothing to release",
};
const fixed = { ...never, resize: "of fixed length", shrink: "of fixed length" };

/** Buffers in the forms that newer editions of the language have. */
const Resizable = ArrayBuffer as unknown as new (
  byteLength: number,
  options: { maxByteLength: number },
) => ArrayBuffer & { resize(byteLength: number): void };
const Growable = SharedArrayBuffer as unknown as new (
  byteLength: number,
  options: { maxByteLength: number },
) => SharedArrayBuffer & { grow(byteLength: number): void };

function wasmMemory(byteLength: number, maximum = 1000, shared = false): WasmMemory {
  return new WebAssembly.Memory({ initial: byteLength / PAGE, maximum, shared });
}

const limits = { maxByteLength: 2 ** 24 };

storeContract("MemoryStore of a length", {
  make: (byteLength) => new MemoryStore(byteLength),
  skip: fixed,
});
storeContract("MemoryStore of a length with a limit", {
  make: (byteLength) => new MemoryStore(byteLength, limits),
  skip: never,
});
storeContract("MemoryStore over an ArrayBuffer", {
  make: (byteLength) => new MemoryStore(new ArrayBuffer(byteLength)),
  makePair: (byteLength) => {
    const buffer = new ArrayBuffer(byteLength);
    return [new MemoryStore(buffer), new MemoryStore(buffer)];
  },
  skip: fixed,
});
storeContract("MemoryStore over a resizable ArrayBuffer", {
  make: (byteLength) => new MemoryStore(new Resizable(byteLength, limits)),
  skip: never,
});
storeContract("MemoryStore over a resizable ArrayBuffer, from an offset on", {
  make: (byteLength) => new MemoryStore(new Resizable(byteLength + 7, limits), { byteOffset: 7 }),
  skip: never,
});
storeContract("MemoryStore over a SharedArrayBuffer", {
  make: (byteLength) => new MemoryStore(new SharedArrayBuffer(byteLength)),
  skip: fixed,
});
storeContract("MemoryStore over a growable SharedArrayBuffer", {
  make: (byteLength) => new MemoryStore(new Growable(byteLength, limits)),
  makePair: (byteLength) => {
    const buffer = new Growable(byteLength, limits);
    return [new MemoryStore(buffer), new MemoryStore(buffer)];
  },
  skip: { ...never, shrink: "a SharedArrayBuffer only grows" },
});
storeContract("MemoryStore over a WebAssembly.Memory", {
  make: (byteLength) => new MemoryStore(wasmMemory(byteLength)),
  step: PAGE,
  skip: { ...never, shrink: "WebAssembly memory only grows" },
});
storeContract("MemoryStore over a shared WebAssembly.Memory", {
  make: (byteLength) => new MemoryStore(wasmMemory(byteLength, 1000, true)),
  step: PAGE,
  skip: { ...never, shrink: "WebAssembly memory only grows" },
});
storeContract("MemoryStore over a window of a Uint8Array", {
  make: (byteLength) => new MemoryStore(new Uint8Array(byteLength + 9).subarray(4, 4 + byteLength)),
  skip: fixed,
});

describe("MemoryStore", () => {
  it("copies no buffer it is given", () => {
    const buffer = new ArrayBuffer(8);
    const store = new MemoryStore(buffer);
    store.write(3, new Uint8Array([7]));
    assertStrictEquals(new Uint8Array(buffer)[3], 7);
    assertStrictEquals(store.view(0, 8).buffer, buffer);
  });

  it("is exactly the window it is given", () => {
    const around = new Uint8Array(16);
    const cases: [MemoryStore, number][] = [
      [new MemoryStore(around.subarray(4, 10)), 4],
      [new MemoryStore(new Uint16Array(around.buffer, 4, 3)), 4],
      [new MemoryStore(new DataView(around.buffer, 4, 6)), 4],
      [new MemoryStore(around.buffer, { byteOffset: 4, byteLength: 6 }), 4],
      [new MemoryStore(around.subarray(2), { byteOffset: 3, byteLength: 6 }), 5],
    ];
    for (const [store, start] of cases) {
      around.fill(0);
      assertStrictEquals(store.byteLength, 6);
      store.write(0, new Uint8Array(6).fill(1));
      assertEquals(
        Array.from(around),
        Array.from(around, (_, i) => +(i >= start && i < start + 6)),
      );
      assertThrows(() => store.write(5, new Uint8Array(2)), StorageError);
      assertThrows(() => store.resize(7), StorageError, "fixed length");
    }
  });

  it("refuses what is no source, and windows outside one", () => {
    for (const bad of [null, undefined, "8", 8n, {}, [], { buffer: new ArrayBuffer(8) }]) {
      assertThrows(() => new MemoryStore(bad as unknown as ArrayBuffer), TypeError);
    }
    for (const bad of NO_SIZES.filter((value) => typeof value === "number")) {
      assertThrows(() => new MemoryStore(bad as number), RangeError);
      assertThrows(() => new MemoryStore(8, { maxByteLength: bad as number }), RangeError);
      assertThrows(() => new MemoryStore(new ArrayBuffer(8), { byteOffset: bad as number }));
      assertThrows(() => new MemoryStore(new ArrayBuffer(8), { byteLength: bad as number }));
    }
    assertThrows(() => new MemoryStore(8, { maxByteLength: 7 }), RangeError);
    assertThrows(() => new MemoryStore(new ArrayBuffer(8), { byteOffset: 9 }), RangeError);
    const beyond = { byteOffset: 5, byteLength: 4 };
    assertThrows(() => new MemoryStore(new ArrayBuffer(8), beyond), RangeError);
    const limited = { maxByteLength: 9 } as { byteOffset?: number };
    assertThrows(
      () => new MemoryStore(new ArrayBuffer(8), limited),
      TypeError,
      "got maxByteLength",
    );
  });

  it("tells how long it can become", () => {
    const most = (store: MemoryStore) => store.maxByteLength;
    assertStrictEquals(most(new MemoryStore(8)), 8);
    assertStrictEquals(most(new MemoryStore(8, { maxByteLength: 20 })), 20);
    const growable = new Growable(8, { maxByteLength: 16 });
    assertStrictEquals(most(new MemoryStore(growable)), 16);
    assertStrictEquals(most(new MemoryStore(growable, { byteOffset: 3 })), 13);
    assertStrictEquals(most(new MemoryStore(growable, { byteOffset: 3, byteLength: 2 })), 2);
    assertStrictEquals(most(new MemoryStore(new Uint8Array(5))), 5);
    assertStrictEquals(most(new MemoryStore(wasmMemory(PAGE, 2))), Infinity);
  });

  it("says so where there is not that much memory", () => {
    const error = assertThrows(() => new MemoryStore(2 ** 52), StorageError, "no memory");
    assert(error.cause !== undefined);
  });

  it("says why it cannot be resized, and stays as it was", async () => {
    const shared = new MemoryStore(new Growable(8, { maxByteLength: 16 }));
    const wasm = new MemoryStore(wasmMemory(PAGE, 2));
    const cases: [MemoryStore, number, string][] = [
      [new MemoryStore(8), 9, "fixed length"],
      [new MemoryStore(8), 7, "fixed length"],
      [new MemoryStore(8, { maxByteLength: 16 }), 17, "limit"],
      [new MemoryStore(new SharedArrayBuffer(8)), 9, "fixed length"],
      [shared, 7, "only grows"],
      [shared, 17, "limit"],
      [wasm, 1, "only grows"],
      [wasm, 2 * PAGE + 1, "limit"],
      [wasm, Number.MAX_SAFE_INTEGER, "limit"],
    ];
    for (const [store, length, reason] of cases) {
      const { byteLength } = store;
      const error = await storageError("resize", () => store.resize(length));
      assert(error.message.includes(reason), error.message);
      assertStrictEquals(error.length, length);
      assertStrictEquals(store.byteLength, byteLength);
      store.read(0, new Uint8Array(byteLength));
    }
  });

  it("follows a source that somebody else resizes", () => {
    const buffer = new Resizable(8, { maxByteLength: 32 });
    const store = new MemoryStore(buffer);
    buffer.resize(32);
    assertStrictEquals(store.byteLength, 32);
    store.write(31, new Uint8Array(1));
    buffer.resize(4);
    assertStrictEquals(store.byteLength, 4);
    assertThrows(() => store.write(4, new Uint8Array(1)), StorageError);

    for (const shared of [false, true]) {
      const memory = wasmMemory(PAGE, 4, shared);
      const whole = new MemoryStore(memory);
      const heap = new MemoryStore(memory, { byteOffset: 100 });
      const window = new MemoryStore(memory, { byteOffset: 100, byteLength: 50 });
      window.write(0, new Uint8Array([1, 2, 3]));
      memory.grow(1);
      assertEquals([whole, heap, window].map((store) => store.byteLength), [
        2 * PAGE,
        2 * PAGE - 100,
        50,
      ]);
      for (const [store, offset] of [[whole, 100], [heap, 0], [window, 0]] as const) {
        assertEquals(Array.from(store.view(offset, 3)), [1, 2, 3]);
      }
      heap.resize(2 * PAGE);
      assertStrictEquals(heap.byteLength, 3 * PAGE - 100, "up to a whole page");
    }
  });

  it("refuses everything once its buffer was transferred", () => {
    const buffer = new ArrayBuffer(8);
    const store = new MemoryStore(buffer);
    structuredClone(buffer, { transfer: [buffer] });
    assertStrictEquals(store.byteLength, 0);
    assertThrows(() => store.read(0, new Uint8Array(1)), StorageError);
    assertThrows(() => store.write(0, new Uint8Array(1)), StorageError);
  });

  it("gives plain Uint8Arrays, also over a Node Buffer", async () => {
    const { Buffer } = await import("node:buffer");
    const view = new MemoryStore(Buffer.from("abcdef")).view(1, 2);
    assertStrictEquals(view.constructor, Uint8Array);
    assertEquals(Array.from(view), [98, 99]);
    await assertRejects(async () =>
      await new MemoryStore(3).write(0, new Float32Array(1) as never)
    );
  });

  it("writes bytes that lie in itself", () => {
    const store = new MemoryStore(new Uint8Array([1, 2, 3, 4, 5]));
    store.write(1, store.view(0, 4));
    assertEquals(Array.from(store.view(0, 5)), [1, 1, 2, 3, 4]);
    store.read(1, store.view(0, 4));
    assertEquals(Array.from(store.view(0, 5)), [1, 2, 3, 4, 4]);
  });

  it("loads and works where neither shared memory nor WebAssembly exists", async () => {
    const globals = globalThis as unknown as Record<string, unknown>;
    const { SharedArrayBuffer: shared, WebAssembly: wasm } = globals;
    try {
      globals.SharedArrayBuffer = globals.WebAssembly = undefined;
      const module = new URL("../../backends/memory.ts?bare", import.meta.url).href;
      const { MemoryStore: Bare } = await import(module) as { MemoryStore: typeof MemoryStore };
      const store = new Bare(8, { maxByteLength: 16 });
      store.resize(16);
      store.write(15, new Uint8Array([1]));
      assertThrows(() => new Bare({} as ArrayBuffer), TypeError);
    } finally {
      globals.SharedArrayBuffer = shared;
      globals.WebAssembly = wasm;
    }
  });
});
