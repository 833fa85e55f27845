/**
 * The whole index as bytes: what a checkpoint writes, and opening reads.
 *
 * @module
 */

import { framedLength } from "./chunks.ts";
import { ByteReader, ByteWriter } from "./codec.ts";
import { type KeyIndex, MANY_PLACES, NO_PLACE } from "./key_index.ts";
import type { Space } from "./space.ts";

// One column after the other, blobs in the order of their places: each is then read by
// a loop of its own. `#` is a varint, `+` a signed one, the difference from the blob
// before:
//
//   #count  #bytes of keys
//   keys: key length (2)  metadata length (2)  key  metadata  zeros up to a multiple of 4
//   hashes of keys (4)     checksums (4)
//   sizes: #size     times: +time     seeds: +seed
//   places: for an empty blob nothing; for one in one part #(2 * gap), where gap is the
//     number of units behind the end of the last such blob; for one in parts
//     #(2 * count + 1), then #unit #units of each

/** The index as bytes. `places` overrides where some blobs are. */
export function encodeCheckpoint(
  index: KeyIndex,
  space: Space,
  places: ReadonlyMap<number, readonly number[]>,
): Uint8Array {
  const { allocator } = space;
  const placeOf = (slot: number) => {
    const handles = places.get(slot);
    if (handles === undefined) return index.place[slot];
    return handles.length === 1 ? handles[0] : MANY_PLACES;
  };
  const units = new Float64Array(index.slots);
  const slots = new Uint32Array(index.count);
  let count = 0;
  for (let slot = 0; slot < index.slots; slot++) {
    if (!index.isLive(slot)) continue;
    const place = placeOf(slot);
    units[slot] = place < NO_PLACE ? allocator.offset(place) : 0;
    slots[count++] = slot;
  }
  const order = sortBy(slots, units);
  const to = new ByteWriter(index.heapLength + 24 * count + 64);
  to.varint(count);
  to.varint(index.heapLength);
  for (const slot of order) to.copy(index.entry(slot));
  for (const slot of order) to.uint32(index.hash(slot));
  for (const slot of order) to.uint32(index.crc[slot]);
  for (const slot of order) to.varint(index.size[slot]);
  for (const column of [index.time, index.seed]) {
    let before = 0;
    for (const slot of order) {
      to.signed(column[slot] - before);
      before = column[slot];
    }
  }
  let end = 0;
  for (const slot of order) {
    const place = placeOf(slot);
    if (place === NO_PLACE) continue;
    if (place === MANY_PLACES) {
      const handles = places.get(slot) ?? index.parts.get(slot)!;
      to.varint(2 * handles.length + 1);
      for (const { unit, units } of handles.map((handle) => space.part(handle))) {
        to.varint(unit);
        to.varint(units);
      }
    } else {
      to.varint(2 * (units[slot] - end));
      end = units[slot] + space.unitsFor(framedLength(index.size[slot]));
    }
  }
  return to.written();
}

/**
 * Fills an empty index. A place is a unit then, not yet a handle; parts are a list of
 * units and numbers of units, in turn.
 *
 * @returns Whether the bytes make sense.
 */
export function decodeCheckpoint(bytes: Uint8Array, granule: number, index: KeyIndex): boolean {
  const from = new ByteReader(bytes);
  const count = from.varint(), heapLength = from.varint();
  if (16 * count > bytes.length) return false;
  const entries = from.view(heapLength), hashes = from.uint32s(count);
  if (!index.load(entries, hashes)) return false;
  const { crc, size } = index;
  crc.set(from.uint32s(count));
  for (let slot = 0; slot < count; slot++) size[slot] = from.varint();
  for (const column of [index.time, index.seed]) {
    for (let slot = 0, value = 0; slot < count; slot++) column[slot] = value += from.signed();
  }
  let end = 0;
  for (let slot = 0; slot < count; slot++) {
    if (size[slot] === 0) continue;
    const head = from.varint();
    if (head % 2 === 0) {
      const unit = index.place[slot] = end + head / 2;
      end = unit + Math.ceil(framedLength(size[slot]) / granule);
      continue;
    }
    const numbers = head - 1; // two for each part
    if (numbers > bytes.length - from.at) return false;
    index.place[slot] = MANY_PLACES;
    index.parts.set(slot, Array.from({ length: numbers }, () => from.varint()));
  }
  return from.at === bytes.length;
}

/** Sorts numbers by the value each stands for: by radix where there are many. */
export function sortBy(numbers: Uint32Array, value: Float64Array): Uint32Array {
  const count = numbers.length;
  let max = 0, before = -1, isSorted = true;
  for (let i = 0; i < count; i++) {
    const current = value[numbers[i]];
    if (current < before) isSorted = false;
    if (current > max) max = current;
    before = current;
  }
  if (isSorted) return numbers;
  if (count < 4096) return numbers.sort((a, b) => value[a] - value[b]);
  const starts = new Uint32Array(65536);
  let from = numbers, to: Uint32Array = new Uint32Array(count);
  for (let scale = 1; scale <= max; scale *= 65536) {
    starts.fill(0);
    for (let i = 0; i < count; i++) starts[Math.floor(value[from[i]] / scale) % 65536]++;
    for (let digit = 0, sum = 0; digit < 65536; digit++) {
      const next = sum + starts[digit];
      starts[digit] = sum;
      sum = next;
    }
    for (let i = 0; i < count; i++) {
      to[starts[Math.floor(value[from[i]] / scale) % 65536]++] = from[i];
    }
    [from, to] = [to, from];
  }
  return from;
}
