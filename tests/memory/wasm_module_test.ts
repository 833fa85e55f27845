/**
 * The heap of a WebAssembly module that has data of its own: in one thread, and in four workers.
 *
 * @module
 */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { MemoryStore } from "../../backends/memory.ts";
import { Arena, type Region } from "../../src/arena/mod.ts";
import { SharedOffsetAllocator } from "../../src/shared/mod.ts";
import { seeded } from "../support/random.ts";
import { spawnThread } from "../shared/threads/spawn_thread.ts";
import { type Exports, instantiate, TEXT, TEXT_POINTER, textAt } from "./wasm_modules.ts";
import type { Block, Round, WasmPlace } from "./wasm_worker.ts";

const PAGE = 65536;

/** An instance whose heap is an arena from `byteOffset` on. */
class Program {
  readonly memory = new WebAssembly.Memory({ initial: 1, maximum: 4 });
  readonly blocks = new Map<number, Region<MemoryStore>>();
  readonly byteOffset: number;
  readonly arena: Arena<MemoryStore>;
  exports!: Exports;

  constructor(byteOffset: number) {
    this.byteOffset = byteOffset;
    this.arena = new Arena(new MemoryStore(this.memory, { byteOffset }), {
      maxByteLength: 4 * PAGE - byteOffset,
    });
  }

  async start(): Promise<this> {
    this.exports = await instantiate(this.memory, {
      malloc: (byteLength) => this.malloc(byteLength),
      free: (pointer) => {
        this.blocks.get(pointer >>> 0)!.free();
        this.blocks.delete(pointer >>> 0);
      },
    });
    return this;
  }

  malloc(byteLength: number): number {
    const region = this.arena.allocate(Math.max(1, byteLength >>> 0), { alignment: 16 });
    if (region === undefined) return 0;
    this.blocks.set(this.byteOffset + region.offset, region);
    return this.byteOffset + region.offset;
  }

  get text(): string {
    return textAt(this.memory, TEXT_POINTER, TEXT.length);
  }
}

describe("the heap of a WebAssembly module", () => {
  it("from byte 0 on overwrites the module's data", async () => {
    const program = await new Program(0).start();
    assertStrictEquals(program.text, TEXT);
    program.arena.allocateOrThrow(2000).bytes.fill(46);
    assertStrictEquals(program.text, "...........");
  });

  it("from __heap_base on is the module's malloc, and leaves its data alone", async () => {
    const program = await new Program(1040).start();
    const { exports, memory, arena, blocks } = program;
    assert(exports.__heap_base.value <= 1040, "the base of the module");
    const texts: number[] = [];
    for (let pointer = exports.copy(); pointer !== 0; pointer = exports.copy()) texts.push(pointer);
    // It grew to the last of its pages: a block of 11 bytes takes 16 here.
    assertStrictEquals(memory.buffer.byteLength, 4 * PAGE);
    assertStrictEquals(texts.length, (4 * PAGE - 1040) / 16);
    for (const pointer of texts) {
      assertStrictEquals(pointer % 16, 0);
      assertStrictEquals(textAt(memory, pointer, TEXT.length), TEXT);
    }
    assertStrictEquals(program.text, TEXT);
    for (const pointer of texts) exports.drop(pointer);
    assertEquals([blocks.size, arena.allocator.allocationCount], [0, 0]);
    arena.allocateOrThrow(4 * PAGE - 1040).bytes.fill(46);
    assertStrictEquals(program.text, TEXT);
  });

  it("passes pointers both ways, and growth detaches views", async () => {
    const { exports, arena, memory } = await new Program(1040).start();
    const input = arena.allocateOrThrow(1000, { alignment: 16 });
    const kept = input.bytes, pointer = 1040 + input.offset;
    kept.fill(3);
    assertStrictEquals(exports.sum(pointer, 1000), 3000);
    memory.grow(1); // the module may do so, too
    assertStrictEquals(kept.length, 0);
    assertStrictEquals(input.bytes[999], 3);
    input.view(Float64Array).fill(0);
    assertStrictEquals(exports.sum(pointer, 1000), 0);
  });

  it("may be a block that the module's own malloc returned", async () => {
    const { exports, memory, malloc } = await new Program(1040).start().then((program) => ({
      exports: program.exports,
      memory: program.memory,
      malloc: (byteLength: number) => program.malloc(byteLength),
    }));
    const pointer = malloc(32_768), end = malloc(16);
    new Uint8Array(memory.buffer, end, 16).fill(1);
    const arena = new Arena(new MemoryStore(memory, { byteOffset: pointer, byteLength: 32_768 }));
    memory.grow(1);
    const all = arena.allocateOrThrow(32_768);
    all.bytes.fill(2);
    assertEquals([exports.sum(pointer, 32_768), exports.sum(end, 16)], [65_536, 16]);
    assertStrictEquals(arena.allocate(1), undefined);
  });

  it("is one for the instances of four workers", async () => {
    const memory = new WebAssembly.Memory({ initial: 16, maximum: 1024, shared: true });
    const heapBase = 1040, capacity = memory.buffer.byteLength - heapBase;
    const allocator = SharedOffsetAllocator.create(capacity);
    const threads = await Promise.all(
      [1, 2, 3, 4].map(() => spawnThread(new URL("./wasm_worker.ts", import.meta.url))),
    );
    try {
      const place: WasmPlace = { memory, state: allocator.buffer, heapBase };
      for (const thread of threads) {
        await thread.receive();
        thread.post(place);
        await thread.receive();
      }
      const random = seeded(1);
      let blocks: Block[][] = threads.map(() => []), passed = 0;
      for (let round = 0; round <= 20; round++) {
        const count = round === 20 ? 0 : 40;
        threads.forEach((thread, i) => {
          const lengths = Array.from({ length: count }, () => 1 + random(3000));
          // Each gets what its neighbour made.
          thread.post({ blocks: blocks[(i + 1) % 4], lengths } satisfies Round);
        });
        blocks = await Promise.all(threads.map((thread) => thread.receive<Block[]>()));
        passed += blocks.flat().length;
      }
      assertStrictEquals(passed, 3200);
      assertStrictEquals(textAt(memory, TEXT_POINTER, TEXT.length), TEXT);
      assertStrictEquals(allocator.allocationCount, 0);
      assertStrictEquals(allocator.largestFreeRegion(), capacity);
    } finally {
      await Promise.all(threads.map((thread) => thread.terminate()));
    }
  });
});
