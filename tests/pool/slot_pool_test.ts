/**
 * `SlotPool`: slots that are aligned, apart and handed out in their order, against a model.
 *
 * @module
 */

import {
  assert,
  assertEquals,
  assertNotEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { MemoryStore } from "../../backends/memory.ts";
import { NO_SPACE, NotAllocatedError } from "../../src/allocator.ts";
import { PoolExhaustedError } from "../../src/util/pool_errors.ts";
import { SlotPool } from "../../src/pool/slot_pool.ts";
import { withSeed } from "../support/random.ts";

const ORDERS = ["stack", "queue", "lowest"] as const;

describe("SlotPool", () => {
  for (const order of ORDERS) {
    it(`does as the model does, as a ${order}`, () =>
      withSeed(17, (random) => {
        const count = 20, pool = new SlotPool(count, { slotSize: 12, alignment: 16, order });
        let free = Array.from({ length: count }, (_, slot) => slot);
        const live = new Map<number, number>(), stale: number[] = [];
        let highest = 0;
        for (let step = 0; step < 20_000; step++) {
          const kind = random(100);
          if (kind < 50) {
            const slot = order === "stack"
              ? free[0]
              : order === "queue"
              ? free[0]
              : Math.min(...free);
            const handle = pool.tryAcquire();
            if (free.length === 0) {
              assertEquals(handle, NO_SPACE);
              continue;
            }
            assertEquals(pool.offset(handle), slot * 16);
            free = free.filter((one) => one !== slot);
            assert(!live.has(handle));
            live.set(handle, slot);
            pool.view(handle).fill(1 + slot);
          } else if (kind < 97 && live.size > 0) {
            const [handle, slot] = [...live][random(live.size)];
            assert(pool.view(handle).every((byte) => byte === 1 + slot), "another's bytes");
            pool.release(handle);
            live.delete(handle);
            stale.push(handle);
            free = order === "stack" ? [slot, ...free] : [...free, slot];
          } else if (kind === 99 && random(30) === 0) {
            stale.push(...live.keys());
            const slots = [...live.values()].sort((a, b) => a - b);
            free = order === "stack" ? [...slots.reverse(), ...free] : [...free, ...slots];
            live.clear();
            pool.reset();
            highest = 0;
          }
          highest = Math.max(highest, live.size);
          assertEquals([pool.inUse, pool.available], [live.size, count - live.size]);
          assertEquals(pool.highWaterMark, highest);
          if (stale.length > 0) {
            const handle = stale[random(stale.length)];
            for (const use of [pool.release, pool.view, pool.offset]) {
              assertThrows(() => void use.call(pool, handle), NotAllocatedError);
            }
          }
          if (step % 100 === 0) {
            pool.check();
            const inOrder = [...live].sort(([, a], [, b]) => a - b).map(([handle]) => handle);
            assertEquals([...pool.handles()], inOrder);
          }
        }
      }));
  }

  it("gives views of any class, one for each slot", () => {
    const floats = new SlotPool(3, { slotSize: 16, type: Float32Array });
    const handle = floats.acquire(), view: Float32Array = floats.view(handle);
    assertEquals([view.length, view.byteOffset], [4, 0]);
    assertStrictEquals(floats.view(handle), view);
    floats.release(handle);
    assertStrictEquals(floats.view(floats.acquire()), view);
    const second = floats.view(floats.acquire());
    assertEquals([second.byteOffset, second.buffer === view.buffer], [16, true]);
    const records = new SlotPool(2, { slotSize: 10, type: DataView });
    const record: DataView = records.view(records.acquire());
    assertEquals(record.byteLength, 10);
    const wide = new SlotPool(2, { slotSize: 8, alignment: 64, type: Float64Array });
    assertEquals([wide.stride, wide.offset(wide.acquire()), wide.offset(wide.acquire())], [
      64,
      0,
      64,
    ]);
  });

  it("clears slots where that is wanted", () => {
    for (const clear of [true, false]) {
      const pool = new SlotPool(1, { slotSize: 4, clear });
      const handle = pool.acquire();
      pool.view(handle).fill(7);
      pool.release(handle);
      assertEquals(pool.view(pool.acquire())[0], clear ? 0 : 7);
    }
  });

  it("acquires several or none", () => {
    const pool = new SlotPool(5, { slotSize: 1 });
    const into = new Int32Array(3);
    assertStrictEquals(pool.acquireMany(3, into), into);
    assertEquals(new Set(into).size, 3);
    const error = assertThrows(() => pool.acquireMany(3), PoolExhaustedError);
    assertEquals([error.requested, error.available, error.capacity], [3, 2, 5]);
    assertEquals(pool.available, 2);
    assertEquals(pool.acquireMany(2).length, 2);
    assertEquals(pool.acquireMany(0), []);
    assertThrows(() => pool.acquire(), PoolExhaustedError, "0 of 5");
    assertThrows(() => pool.acquireMany(-1), RangeError, "count");
  });

  it("lies in a store, follows WebAssembly memory that grows, and touches nothing else", () => {
    const memory = new WebAssembly.Memory({ initial: 1 });
    const store = new MemoryStore(memory, { byteOffset: 1024, byteLength: 64 });
    new Uint8Array(memory.buffer).fill(9);
    const pool = new SlotPool(4, { slotSize: 16, store, type: Uint32Array, clear: true });
    const handles = pool.acquireMany(4);
    handles.forEach((handle) => pool.view(handle).fill(handle));
    const before = pool.view(handles[1]);
    memory.grow(1);
    const after = pool.view(handles[1]);
    assertNotEquals(before.length, after.length);
    assertEquals([...after], [handles[1], handles[1], handles[1], handles[1]]);
    handles.forEach((handle) => pool.release(handle));
    const bytes = new Uint8Array(memory.buffer, 0, 65536);
    assertEquals(bytes.filter((byte) => byte === 9).length, 65536 - 64);
    assertEquals(bytes.indexOf(0), 1024);
  });

  it("wraps the generations of its handles around within 30 bits", () => {
    const pool = new SlotPool(2 ** 24, { slotSize: 1 }), seen = new Set<number>();
    for (let i = 0; i < 64; i++) {
      const handle = pool.acquire();
      assert(handle >= 0 && handle < 2 ** 30);
      assert(!seen.has(handle));
      seen.add(handle);
      pool.release(handle);
    }
    assert(seen.has(pool.acquire()), "the 65th is not the first again");
  });

  it("refuses bad options and handles", () => {
    const make = (count: unknown, options: object) => () =>
      new SlotPool(count as number, options as never);
    for (const count of [0, -1, 1.5, NaN, 2 ** 24 + 1]) {
      assertThrows(make(count, { slotSize: 4 }), RangeError, "capacity");
    }
    assertThrows(make("4", { slotSize: 4 }), TypeError, "capacity");
    assertThrows(make(4, { slotSize: 0 }), RangeError, "slotSize");
    assertThrows(make(4, {}), TypeError, "slotSize");
    assertThrows(make(4, { slotSize: 6, type: Float32Array }), RangeError, "multiple of 4");
    assertThrows(
      make(4, { slotSize: 8, alignment: 6, type: Float32Array }),
      RangeError,
      "alignment",
    );
    assertThrows(make(4, { slotSize: 8, type: "Float32Array" }), TypeError, "type");
    assertThrows(make(4, { slotSize: 8, order: "random" }), TypeError, "order");
    assertThrows(
      make(4, { slotSize: 8, store: new MemoryStore(31) }),
      RangeError,
      "store.byteLength",
    );
    const odd = new MemoryStore(new ArrayBuffer(64), { byteOffset: 2 });
    assertThrows(make(4, { slotSize: 8, store: odd, type: Float32Array }), RangeError);
    const pool = new SlotPool(4, { slotSize: 1 });
    pool.acquire();
    for (const bad of [-1, 1, 4, 0.5, NaN, "0", null, undefined, 0n, Symbol(), {}]) {
      assertThrows(() => pool.release(bad as number), NotAllocatedError);
      assertThrows(() => pool.view(bad as number), NotAllocatedError);
    }
    pool.check();
  });
});
