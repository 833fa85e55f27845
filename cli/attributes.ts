/**
 * Times and permissions of files as metadata of blobs: `{"mode":"644","mtime":"2026-…Z"}`.
 *
 * @module
 */

import type { Metadata } from "../backends/blob_store/mod.ts";

/** The attributes of a file. */
export interface Attributes {
  /** Permission bits. */
  readonly mode: number;
  /** When it was changed, in seconds since 1970. */
  readonly mtime: number;
}

/** The metadata of a blob that was a file; without a time where {@linkcode isTime} has none. */
export function toMetadata({ mode, mtime }: Attributes): { mode: string; mtime?: string } {
  const permissions = (mode & 0o777).toString(8); // never whose rights a program gets
  if (!isTime(mtime)) return { mode: permissions };
  return { mode: permissions, mtime: new Date(mtime * 1000).toISOString() };
}

/**
 * Tells whether a number of seconds is one that a date can hold: some 270,000 years around 1970.
 */
export function isTime(mtime: number): boolean {
  return Math.abs(mtime) <= 8.64e12;
}

/** The attributes in the metadata of a blob, which may say anything. */
export function fromMetadata(metadata: Metadata | undefined): Partial<Attributes> {
  if (typeof metadata !== "object" || metadata === null) return {};
  const { mode, mtime } = metadata as { mode?: unknown; mtime?: unknown };
  const seconds = typeof mtime === "string" ? Date.parse(mtime) / 1000 : NaN;
  return {
    mode: typeof mode === "string" && /^[0-7]{1,3}$/.test(mode) ? parseInt(mode, 8) : undefined,
    mtime: Number.isFinite(seconds) ? seconds : undefined,
  };
}
