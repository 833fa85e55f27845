/**
 * Block devices: a length that `fstat` does not tell, and nothing that can be resized.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import process from "node:process";

/** Bytes in a sector, as `/sys` counts, whatever the device has. */
const SECTOR = 512;

/** The identity of a device. */
export interface DeviceStats {
  readonly rdev: number;
  isBlockDevice(): boolean;
}

/** The length of the device by the system's files; undefined where those do not tell. */
export type ReadSize = (path: string) => string;

/** Tells whether something is a block device that can be used as a file: those of Linux can. */
export function isUsableDevice(stats: DeviceStats, platform: string = process.platform): boolean {
  return platform === "linux" && stats.isBlockDevice();
}

/** A device's number in the form of Linux, `"7:0"`. */
export function deviceNumber({ rdev }: Pick<DeviceStats, "rdev">): string {
  const high = Math.floor(rdev / 2 ** 32), low = rdev % 2 ** 32;
  const major = (low >>> 8 & 0xfff) + (high & ~0xfff), minor = (low & 0xff) + (low >>> 12 & ~0xff);
  return `${major}:${minor}`;
}

/**
 * Bytes of a device: from `/sys`, or found by reading single bytes, some 100 of them.
 *
 * @param stats The result of `fstat`.
 * @param readAt Reads one byte, and returns how many there were: 0 from the end on.
 * @param readSize Reads a file of the system.
 */
export function deviceLength(
  stats: Pick<DeviceStats, "rdev">,
  readAt: (position: number) => number,
  readSize: ReadSize = (path) => readFileSync(path, "utf8"),
): number {
  try {
    const sectors = Number(readSize(`/sys/dev/block/${deviceNumber(stats)}/size`).trim());
    if (Number.isSafeInteger(sectors * SECTOR) && sectors > 0) return sectors * SECTOR;
  } catch {
    // There is no /sys, or no right to read it.
  }
  if (readAt(0) === 0) return 0;
  let last = 0, beyond = 1; // a byte that is there, and one that may not be
  while (readAt(beyond) > 0) {
    last = beyond;
    beyond *= 2;
    if (beyond > Number.MAX_SAFE_INTEGER) throw new Error("the block device has no end");
  }
  while (beyond - last > 1) {
    const middle = last + Math.floor((beyond - last) / 2);
    if (readAt(middle) > 0) last = middle;
    else beyond = middle;
  }
  return beyond;
}
