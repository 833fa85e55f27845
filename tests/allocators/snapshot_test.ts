/**
 * Snapshots: what they keep, and that damaged bytes are refused, also those whose
 * checksum is right.
 */

import { check, restore, snapshot } from "../../src/operations/mod.ts";
import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Buffer } from "node:buffer";
import { NO_SPACE } from "../../src/allocator.ts";
import { crc32 } from "../../src/util/crc32.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { WideOffsetAllocator } from "../../src/allocators/wide_offset_allocator.ts";
import { BinTable } from "../../src/gap_table/bin_table.ts";
import * as layout from "../../src/gap_table/layout.ts";
import { InvalidSnapshotError } from "../../src/allocator.ts";
import { type Random, seeded } from "../support/random.ts";

const { PREV, NEXT, BIN_PREV, BIN_NEXT, HANDLE, OFFSET, SIZE, GAP, STRIDE } = layout;
const {
  MODE,
  FIXED,
  FLOOR,
  SLOTS,
  MASK,
  HEAD,
  READY,
  TAIL,
  FIRST,
  FRESH,
  AGAIN,
  LOOKS,
  WIDTH,
  STOP,
} = layout;
const { SUMMARY, LEAF, OFFSET_BINS: BINS, OFFSET_END: END } = layout;
const BIN = BINS - BIN_NEXT;

const CHECKSUM = 18 * 4; // where the checksum stands in a snapshot
const FIRST_NODE = 456 * 4; // where the nodes begin

/** Allocators in all the states that a snapshot can show. */
function allocators(random: Random): (OffsetAllocator | WideOffsetAllocator)[] {
  const made = [
    new OffsetAllocator(0),
    new OffsetAllocator(1000),
    new OffsetAllocator(5000, { maxAllocations: 300, strict: true }),
    new WideOffsetAllocator(1000),
    new WideOffsetAllocator(2 ** 45, { maxAllocations: 300 }),
    new WideOffsetAllocator(2 ** 53 - 1),
  ];
  for (const allocator of made) {
    const live: number[] = [];
    for (let i = 0; i < 400; i++) {
      if (random(3) > 0) {
        const handle = allocator.allocate(random(Math.min(allocator.capacity, 60)), 1 + random(4));
        if (handle !== NO_SPACE) live.push(handle);
      } else if (live.length > 0) allocator.free(live.splice(random(live.length), 1)[0]);
    }
  }
  return made;
}

/** Makes the checksum of damaged bytes right, as an attacker would. */
function sealed(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  view.setUint32(CHECKSUM, 0, true);
  view.setUint32(CHECKSUM, crc32(bytes), true);
  return bytes;
}

function refused(bytes: Uint8Array, message?: string): void {
  assertThrows(() => restore(bytes), InvalidSnapshotError, message);
}

describe("a snapshot", () => {
  it("leaves out what was never used", () => {
    const small = new OffsetAllocator(1000, { maxAllocations: 100_000 });
    small.allocate(1);
    assert(snapshot(small).length < 5000);
    const restored = restore(snapshot(small));
    for (let i = 1; i < 1000; i++) assert(restored.allocate(1) !== NO_SPACE);
    check(restored);
  });

  it("keeps handles and the generations of the freed ones", () => {
    const allocator = new OffsetAllocator(1000);
    const live = allocator.allocate(10), freed = allocator.allocate(10);
    allocator.free(freed);
    const restored = restore(snapshot(allocator));
    assertEquals(restored.offset(live), 0);
    for (let i = 0; i < 500; i++) assert(restored.allocate(1) !== freed);
    assertThrows(() => new OffsetAllocator(1000).free(freed));
  });

  it("keeps the last generation of a slot, which ends in no other", () => {
    for (const capacity of [100, 2 ** 40]) {
      const allocator = restore(damaged(capacity, ({ words }, at) => {
        words[at(FREE) + HANDLE] = 64 - 2 ** 30;
      }));
      // The first comes from that slot; then the table doubles twice.
      const handles = Array.from({ length: 200 }, () => allocator.allocate(0));
      assertEquals(handles[0], FREE + 2 ** 30 - 64);
      assert(handles.every((handle) => handle > 0 && handle < 2 ** 30));
      assertEquals(new Set(handles).size, handles.length);
      check(allocator);
    }
  });

  it("gives back the class that was saved, which goes on with the same words", () => {
    for (const allocator of allocators(seeded(9))) {
      const restored = restore(snapshot(allocator)), random = seeded(10), live: number[] = [];
      assertInstanceOf(restored, allocator.constructor as typeof OffsetAllocator);
      for (let i = 0; i < 2000; i++) {
        if (random(2) === 0 || live.length === 0) {
          const size = random(60), handle = allocator.allocate(size);
          assertEquals(restored.allocate(size), handle);
          if (handle !== NO_SPACE) live.push(handle);
        } else {
          const [handle] = live.splice(random(live.length), 1);
          allocator.free(handle);
          restored.free(handle);
        }
      }
      assertEquals(snapshot(restored), snapshot(allocator));
      check(restored);
    }
  });

  it("can lie anywhere in a buffer", () => {
    const bytes = snapshot(new OffsetAllocator(77));
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    assertEquals(restore(shifted.subarray(3)).capacity, 77);
  });

  it("can be a Buffer, and stays as it is", () => {
    const allocator = new OffsetAllocator(77), bytes = Buffer.from(snapshot(allocator));
    for (let i = 0; i < 2; i++) assertEquals(restore(bytes).capacity, 77);
    assertEquals(new Uint8Array(bytes), snapshot(allocator));
  });

  it("is refused when it is none", () => {
    refused(new Uint8Array(0), "0 bytes");
    refused(new Uint8Array(3));
    refused(new Uint8Array(FIRST_NODE + 32), "another format");
    refused(new Uint8Array(1 << 16).fill(255), "another format");
    refused(new TextEncoder().encode("x".repeat(5000)), "another format");
    for (const value of [undefined, null, [1, 2], "bytes", new Int32Array(2000)]) {
      refused(value as unknown as Uint8Array, "no Uint8Array");
    }
    const older = snapshot(new OffsetAllocator(8));
    new DataView(older.buffer).setInt32(4, 0, true);
    refused(sealed(older), "version 0");
    const { length } = snapshot(new OffsetAllocator(8));
    for (const shorter of [4, 1000, FIRST_NODE - 4, length - 1]) {
      const bytes = snapshot(new OffsetAllocator(8)).slice(0, shorter);
      refused(shorter > CHECKSUM ? sealed(bytes) : bytes, `${shorter} bytes is no length`);
    }
  });

  it("is refused at every truncation and with anything appended", () => {
    for (const allocator of allocators(seeded(5))) {
      const bytes = snapshot(allocator);
      for (let length = 0; length < bytes.length; length += 1 + (length >>> 5)) {
        refused(bytes.subarray(0, length));
      }
      refused(bytes.subarray(0, bytes.length - 1));
      const longer = new Uint8Array(bytes.length + 4);
      longer.set(bytes);
      longer[bytes.length] = 1;
      refused(longer, "checksum");
    }
  });

  it("is refused with any bits flipped: 10,000 times", () => {
    const seed = 20, random = seeded(seed), states = allocators(random);
    for (let i = 0; i < 10_000; i++) {
      const bytes = snapshot(states[i % states.length]);
      for (let flips = 1 + random(3); flips > 0; flips--) {
        bytes[random(bytes.length)] ^= 1 << random(8);
      }
      if (states.some((state) => sameBytes(snapshot(state), bytes))) continue;
      refused(bytes);
    }
  });

  it("with a right checksum is refused or sound: 20,000 times", () => {
    const seed = 21, random = seeded(seed), states = allocators(random);
    const snapshots = states.map((state) => snapshot(state));
    let sound = 0;
    for (let i = 0; i < 20_000; i++) {
      const bytes = sealed(damage(snapshots[i % snapshots.length].slice(), random));
      let restored: OffsetAllocator | WideOffsetAllocator;
      try {
        restored = restore(bytes);
      } catch (error) {
        assertInstanceOf(error, InvalidSnapshotError, `seed ${seed}, mutation ${i}: ${error}`);
        continue;
      }
      sound++;
      exercise(restored, random);
    }
    assert(sound > 0 && sound < 10_000, `${sound} of 20,000 were sound`);
  });
});

/** Damages a table; `at` gives the node of a slot. */
type Damage = (table: BinTable, at: (slot: number) => number) => void;

// Slot 1 is free, slot 2 has 20 units behind a gap of 10, slot 3 has 30 behind none.
const [FREE, LOW, HIGH] = [1, 2, 3];

const DAMAGES: Record<string, Damage[]> = {
  "its lengths contradict each other": [
    ({ words }) => words[STRIDE] = 4,
    ({ words }) => words[STRIDE] += 1,
    ({ words }) => words[SLOTS] = 3,
    ({ words }) => words[SLOTS] = 2 ** 26 + 1,
    ({ words }) => words[SLOTS] = -1,
    ({ words }) => words[FRESH] = 0,
    ({ words }) => words[FRESH]++,
    ({ words }) => words[HEAD]++,
    ({ words }) => words[TAIL]--,
    ({ words }) => words[TAIL] = words[HEAD] - 1,
    ({ words }) => words[HEAD] = words[TAIL] = 2 ** 30,
    ({ words }) => words[READY] = 2 ** 30,
    ({ words }) => words[READY] = END,
    ({ words }) => words[WIDTH] = 9,
    ({ words }) => words[LOOKS] = -1,
    ...[0, -1, 31, 127, 0b10111111, 2 ** 27 - 1].map((mask): Damage => ({ words }) => {
      words[MASK] = mask;
      if (mask === 127) words[MODE] = FIXED;
    }),
  ],
  "the queue is out of the table": [({ words }) => words[MASK] = 127],
  "slots begin with no generation": [
    ({ words }) => words[FLOOR] = -1,
    ({ words }) => words[FLOOR] = 2 ** 30,
  ],
  "the mode is unknown": [({ words }) => words[MODE] = 4],
  "the table has an odd size": [({ words }) => {
    words[SLOTS] = 63;
    for (const word of [HEAD, TAIL, READY, FIRST]) words[word] -= words[STRIDE];
    words[TAIL]++; // as many wait as before
    words[READY]--;
  }],
  "a link leads out of the table": [
    ({ words }) => words[END + NEXT] = 0,
    ({ words }, at) => words[END + NEXT] = at(LOW) + 2,
    ({ words }, at) => words[at(LOW) + NEXT] = at(64),
    ({ words }, at) => words[at(HIGH) + NEXT] = at(-1),
    ({ words }, at) => words[at(HIGH) + NEXT] = -at(LOW),
  ],
  "neighbours disagree": [
    ({ words }, at) => words[END + NEXT] = at(HIGH),
    ({ words }, at) => words[at(LOW) + NEXT] = at(LOW),
    ({ words }) => words[END + PREV] = END,
  ],
  "a handle does not name its node": [
    ({ words }) => words[END + HANDLE] = 0,
    ({ words }, at) => words[at(LOW) + HANDLE] = HIGH,
    ({ words }, at) => words[at(LOW) + HANDLE] = LOW + 2 ** 30,
    ({ words }, at) => words[at(LOW) + HANDLE] = LOW - 64,
  ],
  "a free region is in no bin": [
    ({ words }, at) => words[at(LOW) + BIN_PREV] = 0,
    ({ words }) => words[BINS + 10] = 0,
  ],
  "the space has a hole or an overlap": [
    (table, at) => table.set(at(LOW), OFFSET, 11),
    (table, at) => table.set(at(HIGH), SIZE, 29),
    (table) => table.set(END, OFFSET, table.capacity - 1),
  ],
  "a live slot waits as if it were free": [
    ({ words }, at) => words[at(FREE) + HANDLE] = FREE,
    ({ words }, at) => words[at(FREE) + HANDLE] = -63, // of a wall that is nowhere
  ],
  "the free space is wrong": [(table) => table.freeSpace--],
  "the bitmap contradicts itself": [
    ({ words }) => words[SUMMARY] |= words[LEAF + 15] = 1 << 16, // of bin 495
    ({ words }) => { // of bin 408, the first that is not there
      words[LEAF + 12] |= 1 << 7;
      words[SUMMARY] |= 1 << 19;
    },
    ({ words }) => words[SUMMARY] &= 0x7fffffff, // of bins 0 to 31
  ],
  "a bin holds no node": [
    ({ words }, at) => words[BINS + 10] = at(LOW) + 2,
    ({ words }, at) => words[BINS + 10] = at(FREE),
    ({ words }, at) => words[at(LOW) + BIN_NEXT] = at(64),
  ],
  "the list of a bin is broken": [
    ({ words }, at) => words[at(LOW) + BIN_PREV] = BIN + 11,
    ({ words }, at) => words[at(LOW) + BIN_NEXT] = at(LOW),
  ],
  "a free region is in the wrong bin": [({ words }, at) => {
    words[BINS + 10] = 0;
    words[BINS + 11] = at(LOW);
    words[at(LOW) + BIN_PREV] = BIN + 11;
    words[LEAF] |= 0x80000000 >>> 11;
  }],
  "a bin that holds regions is not marked": [({ words }) => words[LEAF] = 0],
  "the summary is too long": [
    ({ words }) => words[SUMMARY] |= 0x8000,
    ({ words }) => words[layout.SUMMARY_HIGH] = 1,
  ],
  "a wall is not where it should be": [
    ({ words }, at) => words[at(LOW) + HANDLE] = -words[at(LOW) + HANDLE],
  ],
  "a generation is broken": [
    ({ words }, at) => words[at(FREE) + HANDLE] = -(2 ** 30) - 64,
  ],
  "a free slot has a gap": [
    (table, at) => table.set(at(FREE), GAP, 1),
    ({ words }, at) => words[at(FREE) + BIN_PREV] = BIN + 1,
  ],
};

describe("a snapshot with a right checksum is refused:", () => {
  for (const [reason, damages] of Object.entries(DAMAGES)) {
    it(reason, () => {
      for (const capacity of [100, 2 ** 40]) {
        for (const damage of damages) refused(damaged(capacity, damage), reason);
      }
    });
  }

  it("a table without slots", () => {
    const words = new Int32Array(snapshot(new OffsetAllocator(8)).buffer);
    words[MODE] = FIXED;
    words[MASK] = words[SLOTS] = 1;
    refused(sealed(new Uint8Array(words.buffer)), "lengths");
  });

  it("a size is not a number of units", () => {
    refused(damaged(2 ** 40, tiled(-1, 11, 10)), "number of units");
    refused(damaged(2 ** 40, tiled(0.5, 0.5, 10)), "number of units");
    refused(damaged(2 ** 40, tiled(0, 0.5, 0.5)), "number of units");
    refused(damaged(2 ** 40, tiled(0, -10, 70)), "number of units");
    refused(damaged(2 ** 40, tiled(0, NaN, 1)), "number of units");
    const capacity = "the capacity is not a number of units";
    refused(damaged(2 ** 40, tiled(0, 2 ** 52, 2 ** 52)), capacity);
    const sound = restore(damaged(2 ** 40, tiled(0, 2 ** 52, 2 ** 51)));
    assertEquals(sound.capacity, sound.freeSpace + 2 ** 52 + 2 ** 51);
  });
});

/** The word of the queue with the slot that serves next. */
const next = ({ words }: BinTable) => words[HEAD];

const DAMAGES_IN_USE: Record<string, Damage> = {
  "the free space is wrong": (table) => table.freeSpace--,
  "a bin that holds regions is not marked": ({ words }) => words[LEAF] = 0,
  "a free slot is out of the table": (table) => table.words[next(table)] &= ~layout.FREE,
  "a free slot waits twice": (table) => {
    table.words[next(table) + 1] = table.words[next(table)];
  },
  "a live slot waits as if it were free": (table, at) => {
    table.words[next(table) + 1] = at(LOW) | layout.FREE;
  },
  "the queue is out of the table": ({ words }) => words[TAIL] = words.length - 1,
  "a slot is ready that does not wait": ({ words }) => {
    words[words[READY]] ^= STOP;
    words[words[READY] = words[TAIL] + 1] |= STOP;
  },
  "another word has the mark of READY": ({ words }) => words[words[READY]] ^= STOP,
  "slots serve again at random": ({ words }) => words[AGAIN] = 1,
  "slots are lost": ({ words }) => {
    words[HEAD]++;
    words[FRESH]--;
  },
  "a slot has a handle, but no place": ({ words }, at) => {
    words[at(60) + HANDLE] = 60 + 64; // which was never used
  },
};

describe("check()", () => {
  for (const [reason, damage] of Object.entries(DAMAGES_IN_USE)) {
    it(`finds that ${reason}`, () => {
      for (const capacity of [100, 2 ** 40]) {
        const allocator = new WideOffsetAllocator(capacity), table = allocator.table as BinTable;
        const [first] = [10, 20, 30].map((size) => allocator.allocate(size));
        allocator.free(first);
        check(allocator);
        damage(table, (slot) => END + slot * table.words[STRIDE]);
        assertThrows(() => check(allocator), Error, `Broken invariant: ${reason}`);
      }
    });
  }
});

/** A snapshot with some of its words changed. */
function damaged(capacity: number, damage: Damage): Uint8Array {
  const allocator = capacity < 2 ** 32
    ? new OffsetAllocator(capacity)
    : new WideOffsetAllocator(capacity);
  const [first] = [10, 20, 30].map((size) => allocator.allocate(size));
  allocator.free(first);
  const table = new BinTable(layout.OFFSET_SHAPE, new Int32Array(snapshot(allocator).buffer));
  const stride = table.words[STRIDE];
  damage(table, (slot) => END + slot * stride);
  return sealed(new Uint8Array(table.words.buffer));
}

/** Gives the two allocations other sizes, and everything that follows from them. */
function tiled(gap: number, low: number, high: number): Damage {
  return (table, at) => {
    const last = table.get(END, GAP);
    const extents = [[LOW, gap, low], [HIGH, 0, high]];
    let position = 0;
    for (const [slot, before, size] of extents) {
      table.set(at(slot), GAP, before);
      table.set(at(slot), OFFSET, position + before);
      table.set(at(slot), SIZE, size);
      position += before + size;
    }
    table.set(END, OFFSET, position + last);
    table.freeSpace = gap + last;
    table.words[BINS + 10] = table.words[at(LOW) + BIN_PREV] = 0;
  };
}

/** Changes some words, so that links, sizes and counts look likely. */
function damage(bytes: Uint8Array, random: Random): Uint8Array {
  const view = new DataView(bytes.buffer), words = bytes.length >>> 2;
  for (let changes = 1 + random(3); changes > 0; changes--) {
    const at = 4 * (random(3) === 0 ? random(48) : random(words));
    const value = [
      () => view.getInt32(at, true) + random(17) - 8,
      () => view.getInt32(4 * random(words), true), // a link, an offset of elsewhere
      () => 456 + 8 * random(words >>> 3),
      () => view.getInt32(at, true) ^ (1 << random(32)),
      () => [0, 1, -1, 2 ** 31 - 1, -(2 ** 31), 8, 12][random(7)],
    ][random(5)];
    if (at > 4) view.setInt32(at, value(), true);
  }
  return bytes;
}

/** Uses an allocator that claims to be sound; it must stay so. */
function exercise(allocator: OffsetAllocator | WideOffsetAllocator, random: Random): void {
  check(allocator);
  for (let i = 0; i < 10; i++) {
    allocator.allocate(random(50), 1 + random(3));
    const [first] = allocator.allocations();
    if (first !== undefined && random(2) === 0) allocator.free(first.handle);
    check(allocator);
  }
  for (const { handle } of allocator.allocations()) allocator.free(handle);
  check(allocator);
  assertEquals(allocator.freeSpace, allocator.capacity);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
