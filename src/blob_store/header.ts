/**
 * The header of a store in its file: both slots, which of them holds, and how they are written.
 *
 * @module
 */

import { CorruptStoreError } from "./blob_store_errors.ts";
import { MAX_ROOT_LENGTH } from "./root.ts";
import { getUint32 } from "./codec.ts";
import type { StoreFile } from "./store_file.ts";
import {
  decodeSuperblock,
  encodeSuperblock,
  FORMAT_VERSION,
  HEAD_LENGTH,
  HEADER_LENGTH,
  MIN_FIRST_SEGMENT,
  type Part,
  SLOT_LENGTH,
  type SlotFault,
  type Superblock,
  versionOf,
} from "./superblock.ts";

/** Both slots as they are in the file. */
export async function readHeader(file: StoreFile): Promise<Uint8Array> {
  const header = new Uint8Array(HEADER_LENGTH);
  const present = header.subarray(0, Math.min(HEADER_LENGTH, file.byteLength));
  const pending = file.read(0, present);
  if (pending) await pending;
  return header;
}

/** The same, and what is behind them at the start of the file is at hand until `dropHead`. */
export async function readHeadAndHeader(file: StoreFile): Promise<Uint8Array> {
  await file.readHead(HEAD_LENGTH);
  return await readHeader(file);
}

/**
 * Tells whether a store may be made here: there is nothing, or the start of a store whose
 * making was cut short. One slot is durable before the other is written.
 */
export function isVacant(header: Uint8Array, file: StoreFile): boolean {
  if (header[0] !== 0 && header[SLOT_LENGTH] !== 0) return false; // neither is blank
  const slots = slotsOf(header, file);
  return slots.includes("blank") && slots.every((slot) => slot === "blank" || slot === "damaged");
}

/**
 * Tells whether some bytes of a file are those that others begin with. Both begin at a multiple of
 * 4, and the length is one.
 */
export function isSame(one: Uint8Array, other: Uint8Array): boolean {
  const words = wordsOf(one), others = wordsOf(other);
  let i = words.length;
  while (i > 0 && words[i - 1] === others[i - 1]) i--;
  return i === 0;
}

/** Bytes as words: a quarter of the steps. */
export function wordsOf({ buffer, byteOffset, byteLength }: Uint8Array): Int32Array {
  return new Int32Array(buffer, byteOffset, byteLength >>> 2);
}

/** The contents of each slot, or why it cannot be used. */
export function slotsOf(header: Uint8Array, file: StoreFile): (Superblock | SlotFault)[] {
  const slots = [0, SLOT_LENGTH].map((at) => header.subarray(at, at + SLOT_LENGTH));
  const first = decodeSuperblock(slots[0], file.matches);
  if (typeof first !== "string" && isSameSlot(slots[0], slots[1])) return [first, first];
  return [first, decodeSuperblock(slots[1], file.matches)];
}

/** Tells whether a slot is another one's copy, as far as that says how long it is. */
function isSameSlot(slot: Uint8Array, other: Uint8Array): boolean {
  const length = getUint32(slot, 16);
  return isSame(slot.subarray(0, length), other);
}

/** How many of the slots cannot be used. */
export function countDamaged(header: Uint8Array, file: StoreFile): number {
  return slotsOf(header, file).filter((slot) => typeof slot === "string").length;
}

/** The slot that holds. */
export interface CurrentSlot {
  readonly superblock: Superblock;
  /** 0 or 1. */
  readonly slot: number;
  /** True if the other one does not say the same. */
  readonly isAlone: boolean;
}

/**
 * The slot that holds.
 *
 * @param slots What each slot says.
 * @param byteLength Bytes in the file.
 * @throws {CorruptStoreError} There is none that makes sense.
 */
export function currentSlot(
  header: Uint8Array,
  slots: readonly (Superblock | SlotFault)[],
  byteLength: number,
): CurrentSlot {
  const unknown = slots.indexOf("unknown");
  if (unknown >= 0) {
    const version = versionOf(header.subarray(unknown * SLOT_LENGTH));
    const reason = `it has version ${version} of the format, this code reads ${FORMAT_VERSION}`;
    throw new CorruptStoreError(8, reason);
  }
  const [first, second] = slots.map((found) => typeof found === "string" ? -1 : found.generation);
  const slot = second > first ? 1 : 0, superblock = slots[slot];
  if (typeof superblock === "string") {
    const isDamaged = slots.includes("damaged");
    const reason = isDamaged ? "both of its headers are damaged" : "it is not a blob store";
    throw new CorruptStoreError(0, reason);
  }
  checkSuperblock(superblock, byteLength);
  return { superblock, slot, isAlone: first !== second };
}

/** Throws where a superblock speaks of what is not there. */
function checkSuperblock(superblock: Superblock, byteLength: number): void {
  const { granule, root, rootLength, segments } = superblock;
  const check = (makesSense: boolean) => {
    if (!makesSense) throw new CorruptStoreError(0, "its header makes no sense");
  };
  check(granule >= 16 && granule <= 65536 && (granule & (granule - 1)) === 0);
  check(segments[0].units * granule >= MIN_FIRST_SEGMENT);
  check(rootLength <= Math.min(unitsOf(root) * granule, MAX_ROOT_LENGTH));
  for (const { unit, units } of [...root, ...segments]) {
    checkLength(byteLength, HEADER_LENGTH + (unit + units) * granule);
  }
  check(unitsOf(segments) * granule <= byteLength - HEADER_LENGTH);
}

function unitsOf(parts: readonly Part[]): number {
  return parts.reduce((sum, { units }) => sum + units, 0);
}

/**
 * Throws where a file is shorter than what is known to be in it.
 *
 * @throws {CorruptStoreError} It is.
 */
export function checkLength(byteLength: number, end: number): void {
  if (end <= byteLength) return;
  throw new CorruptStoreError(byteLength, `it is cut off, and had at least ${end} bytes`);
}

/**
 * Writes both slots, one durable before the other is touched. Where that fails the file fails for
 * good. Confirm first that the store is no other writer's.
 */
export async function writeSuperblocks(file: StoreFile, superblock: Superblock): Promise<void> {
  const bytes = encodeSuperblock(superblock, file.crc32);
  const first = superblock.generation % 2;
  for (const slot of [first, 1 - first]) {
    try {
      const pending = file.write(slot * SLOT_LENGTH, bytes);
      if (pending) await pending;
    } catch (error) {
      // It may be there all the same, and would hide whatever the old log still took.
      file.fail(error);
      throw error;
    }
    await file.flush();
  }
}
