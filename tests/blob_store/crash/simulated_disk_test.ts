/**
 * The simulated disk and its crash images, alone and under a small log with bugs that
 * they have to find.
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { StorageError } from "../../../src/arena/backing_store.ts";
import { crc32 } from "../../../src/util/crc32.ts";
import { randomBytes, seeded } from "../../support/random.ts";
import { type CrashImage, crashImages } from "./crash_images.ts";
import { type DiskState, SimulatedDisk } from "./simulated_disk.ts";

describe("SimulatedDisk", () => {
  it("reads what was written, flushed or not", () => {
    const disk = new SimulatedDisk();
    disk.resize(10);
    disk.write(2, Uint8Array.of(1, 2, 3));
    assertEquals(contents(disk), Uint8Array.of(0, 0, 1, 2, 3, 0, 0, 0, 0, 0));
    disk.flush();
    disk.write(4, Uint8Array.of(4, 5));
    disk.resize(5);
    disk.resize(7);
    assertEquals(contents(disk), Uint8Array.of(0, 0, 1, 2, 4, 0, 0));
  });

  it("keeps its own copy of what it was given", () => {
    const bytes = Uint8Array.of(1, 2), disk = new SimulatedDisk(bytes), data = Uint8Array.of(3);
    disk.write(0, data);
    data[0] = 9;
    assertEquals([bytes, contents(disk)], [Uint8Array.of(1, 2), Uint8Array.of(3, 2)]);
  });

  it("refuses what lies outside", () => {
    const disk = new SimulatedDisk(new Uint8Array(4), 8);
    assertThrows(() => disk.read(3, new Uint8Array(2)), StorageError);
    assertThrows(() => disk.write(4, new Uint8Array(1)), StorageError);
    assertThrows(() => disk.resize(9), RangeError);
  });

  it("calls before it changes, and keeps the states that were taken", () => {
    const disk = new SimulatedDisk(new Uint8Array(2)), states: DiskState[] = [];
    const operations: string[] = [];
    disk.onOperation = (operation) => {
      operations.push(operation);
      states.push(disk.state);
    };
    disk.write(0, Uint8Array.of(1));
    disk.resize(4);
    disk.flush();
    disk.flush();
    assertEquals(operations, ["write", "resize", "flush", "flush"]);
    assertEquals(states.map(({ count }) => count), [0, 1, 2, 0]);
    assertEquals(states.map(({ durable }) => [...durable]), [[0, 0], [0, 0], [0, 0], [1, 0, 0, 0]]);
  });

  it("is left as it is by a kill, with nothing durable", () => {
    const disk = new SimulatedDisk(new Uint8Array(2));
    disk.write(0, Uint8Array.of(1));
    disk.resize(3);
    const killed = SimulatedDisk.unflushed(disk.state);
    assertEquals(contents(killed), Uint8Array.of(1, 0, 0));
    assertEquals(killed.state.durable, new Uint8Array(2));
    assertEquals(killed.state.count, 2);
  });
});

describe("crash images", () => {
  it("are all subsets of the sectors written, torn ones and garbage", () => {
    const disk = new SimulatedDisk(new Uint8Array(2048));
    disk.write(500, new Uint8Array(600).fill(1)); // pieces at 500, 512, 1024
    const found = images(disk, 64);
    assertEquals(found.length, 8 + 6 + 3);
    const shapes = new Set(found.slice(0, 8).map(({ bytes }) => shape(bytes)));
    assertEquals(shapes.size, 8);
    assert(shapes.has(""), "everything lost");
    assert(shapes.has("500-512"), "only the first");
    assert(shapes.has("500-1100"), "everything");
    assert(shapes.has("500-512 1024-1100"), "all but the second");
  });

  it("damage no byte that was not written", () => {
    const random = seeded(5);
    const disk = new SimulatedDisk(randomBytes(random, 8192)), before = contents(disk);
    disk.write(700, new Uint8Array(5000));
    for (const { bytes } of images(disk, 500)) {
      assertEquals(bytes.subarray(0, 700), before.subarray(0, 700));
      assertEquals(bytes.subarray(5700), before.subarray(5700));
    }
  });

  it("hold torn pieces, garbage, prefixes and whole writes where there are many pieces", () => {
    const disk = new SimulatedDisk(new Uint8Array(8192));
    for (let i = 0; i < 4; i++) disk.write(i * 2048, new Uint8Array(2048).fill(1));
    const texts = images(disk, 200).map(({ description }) => description);
    const whole = /^(#{4}|\.{4}){4}$/;
    for (const kind of [/^#+\.+$/, /^#+\.#+$/, /^\.+#\.+$/, whole, /[<>]/, /\?/]) {
      assert(texts.some((text) => kind.test(expand(text))), String(kind));
    }
  });

  it("lose a later write of a sector or an earlier one", () => {
    const disk = new SimulatedDisk(new Uint8Array(512));
    disk.write(0, Uint8Array.of(1, 1));
    disk.write(1, Uint8Array.of(2, 2));
    const found = images(disk, 64).slice(0, 4).map(({ bytes }) => [...bytes.subarray(0, 3)]);
    assertEquals(found, [[0, 0, 0], [1, 1, 0], [0, 2, 2], [1, 2, 2]]);
  });

  it("lose growth with what was written there, and data where growth is kept", () => {
    const disk = new SimulatedDisk(Uint8Array.of(7));
    disk.resize(3);
    disk.write(0, Uint8Array.of(8, 8));
    const found = images(disk, 64).slice(0, 4).map(({ bytes }) => [...bytes]);
    assertEquals(found, [[7], [7, 0, 0], [8], [8, 8, 0]]);
  });

  it("bring back what was cut off, or zeros where it was cut off and grown again", () => {
    const disk = new SimulatedDisk(Uint8Array.of(7, 7));
    disk.resize(1);
    disk.resize(3);
    const found = images(disk, 64).slice(0, 4).map(({ bytes }) => [...bytes]);
    assertEquals(found, [[7, 7], [7], [7, 0, 0], [7, 0, 0]]);
  });

  it("are one where everything is durable", () => {
    const disk = new SimulatedDisk(Uint8Array.of(7));
    disk.write(0, Uint8Array.of(8));
    disk.flush();
    assertEquals(images(disk, 64).map(({ bytes }) => [...bytes]), [[8]]);
  });
});

describe("a log over the simulated disk", () => {
  it("survives every image", () => assertEquals(lossOf({}), undefined));

  for (const bug of ["no checksum", "no flush", "counts first"] as const) {
    it(`is caught with a bug: ${bug}`, () => {
      const loss = lossOf({ [bug]: true });
      assert(loss !== undefined, "no image shows it");
    });
  }
});

/** What a small log can do wrong. */
interface Bugs {
  readonly "no checksum"?: boolean;
  readonly "no flush"?: boolean;
  /** The number of records is kept apart, and written with them. */
  readonly "counts first"?: boolean;
}

const RECORD = 700;

/** The first image that loses an acknowledged record, or that shows one never written. */
function lossOf(bugs: Bugs): string | undefined {
  const random = seeded(3), disk = new SimulatedDisk(new Uint8Array(16384));
  const records = Array.from({ length: 8 }, () => randomBytes(random, RECORD));
  const points: { state: DiskState; acknowledged: number }[] = [];
  let acknowledged = 0;
  disk.onOperation = () => points.push({ state: disk.state, acknowledged });
  for (const [i, record] of records.entries()) {
    const header = new Uint8Array(4);
    new DataView(header.buffer).setUint32(0, crc32(record));
    disk.write(512 + i * (RECORD + 4), new Uint8Array([...header, ...record]));
    disk.write(0, Uint8Array.of(i + 1));
    if (!bugs["no flush"]) disk.flush();
    acknowledged++;
  }
  for (const { state, acknowledged } of points) {
    for (const { bytes, description } of crashImages(state, random, 64)) {
      const found = recovered(bytes, bugs);
      const isRight = found.length >= acknowledged && found.length <= records.length &&
        found.every((record, i) => record.every((byte, at) => byte === records[i][at]));
      if (!isRight) return description;
    }
  }
  return undefined;
}

function recovered(bytes: Uint8Array, bugs: Bugs): Uint8Array[] {
  const view = new DataView(bytes.buffer), found: Uint8Array[] = [];
  for (let at = 512; at + 4 + RECORD <= bytes.length; at += 4 + RECORD) {
    const record = bytes.subarray(at + 4, at + 4 + RECORD), crc = view.getUint32(at);
    if (bugs["counts first"] && found.length === bytes[0]) break;
    if (crc === 0 || !(bugs["no checksum"] || bugs["counts first"] || crc === crc32(record))) break;
    found.push(record);
  }
  return found;
}

function contents(disk: SimulatedDisk): Uint8Array {
  const bytes = new Uint8Array(disk.byteLength);
  disk.read(0, bytes);
  return bytes;
}

function images(disk: SimulatedDisk, limit: number): CrashImage[] {
  return [...crashImages(disk.state, seeded(1), limit)];
}

/** Where an image is not zero. */
function shape(bytes: Uint8Array): string {
  const runs: string[] = [];
  for (let at = 0, from = 0; at <= bytes.length; at++) {
    const isSet = bytes[at] > 0, wasSet = bytes[at - 1] > 0;
    if (isSet && !wasSet) from = at;
    if (!isSet && wasSet) runs.push(`${from}-${at}`);
  }
  return runs.join(" ");
}

/** A description with its runs written out. */
function expand(text: string): string {
  return text.replace(/(.)\{(\d+)\}/g, (_, letter, count) => letter.repeat(Number(count)));
}
