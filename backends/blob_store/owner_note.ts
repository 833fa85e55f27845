/**
 * A small file that names its writer's process, and can serve as a lock: it is made
 * only where there is none, and replaced once its process has ended.
 *
 * @module
 */

import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import process from "node:process";
import type { LockHolder } from "../../src/blob_store/blob_store_errors.ts";
import { discardFile, whileHeld } from "../file/raw/held_files.ts";
import { codeOf, sleepSync, wouldAsk } from "../file/raw/system.ts";

/** The contents of a note. */
export interface Note extends LockHolder {
  /** True if the note is all that keeps others out. */
  readonly exclusive: boolean;
}

/** A note of this process, as of now. */
export function ownNote(exclusive: boolean): Note {
  const { deno, bun, node } = process.versions;
  const runtime = deno ? `deno ${deno}` : bun ? `bun ${bun}` : `node ${node}`;
  const since = new Date().toISOString();
  return { pid: process.pid, host: hostName(), runtime, since, exclusive };
}

/** Whose note is in the way; the holder is undefined where the note cannot be read. */
export interface Refusal {
  readonly holder: LockHolder | undefined;
}

/** How long (ms) a note that cannot be read counts as one that is just being written. */
const WRITING = 200;

/**
 * Makes a note, unless one that holds is there.
 *
 * @param path Where the note is.
 * @param note Its contents.
 * @param holds True if a note that can be read keeps this one out.
 * @returns Whose note is in the way, if any is.
 */
export function takeNote(
  path: string,
  note: Note,
  holds: (note: Note) => boolean,
): Refusal | undefined {
  if (makeNote(path, note)) return undefined;
  const obstacle = obstacleAt(path, holds);
  if (obstacle) return obstacle;
  if (isForeign(path)) {
    throw new Error(`${path} is not the note of a writer, whose name it has: move it away`);
  }
  // Two that saw the same stale note must not both replace it, the second one the first
  // one's: the holder of the claim looks again. A claim whose process died is itself stale.
  const claim = `${path}.claim`, claimNote = ownNote(true);
  const claimed = takeNote(claim, claimNote, isAlive);
  if (claimed) return claimed;
  try {
    const newer = obstacleAt(path, holds);
    if (newer) return newer;
    remove(path);
    if (makeNote(path, note)) return undefined;
    return obstacleAt(path, () => true) ?? { holder: undefined };
  } finally {
    dropNote(claim, claimNote);
  }
}

/** Removes a note, unless somebody has put another one in its place. */
export function dropNote(path: string, note: Note): void {
  if (isAt(path, note)) remove(path);
}

/** The contents of a note; undefined where there is none, or none that can be read. */
export function readNote(path: string): Note | undefined {
  try {
    const { pid, host, runtime, since, exclusive } = JSON.parse(readFileSync(path, "utf8"));
    if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
    if (![host, runtime, since].every((text) => typeof text === "string")) return undefined;
    return { pid, host, runtime, since, exclusive: exclusive === true };
  } catch {
    return undefined;
  }
}

/**
 * Tells whether the process that wrote a note may still run; of another machine nobody can tell.
 */
export function isAlive(note: LockHolder): boolean {
  if (note.host !== hostName()) return true;
  if (note.pid === process.pid) {
    // The first process of a container always has the same number.
    return Date.parse(note.since) >= Date.now() - 1000 * process.uptime();
  }
  try {
    process.kill(note.pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== "ESRCH";
  }
}

/** This machine's name, which Deno may not be permitted to tell, and is not to ask for. */
function hostName(): string {
  const unknown = "an unknown host";
  if (wouldAsk({ name: "sys", kind: "hostname" })) return unknown;
  try {
    return hostname();
  } catch {
    return unknown;
  }
}

/** A note without what only the lock needs. */
export function holderOf({ pid, host, runtime, since }: Note): LockHolder {
  return { pid, host, runtime, since };
}

/** Whose note keeps others out of `path` now, if any does. */
function obstacleAt(path: string, holds: (note: Note) => boolean): Refusal | undefined {
  let note = readNote(path);
  for (let waited = 0; !note && waited < WRITING && existsSync(path); waited += 10) {
    sleepSync(10);
    note = readNote(path);
  }
  return note && holds(note) ? { holder: holderOf(note) } : undefined;
}

/** Writes a note where there is none; whether it is there now. */
export function makeNote(path: string, note: Note): boolean {
  let fd: number;
  try {
    fd = whileHeld(() => openSync(path, "wx"));
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
  try {
    writeFileSync(fd, textOf(note));
  } catch (error) {
    // A full disk took the name and not the bytes.
    discardFile(path);
    throw error;
  } finally {
    closeSync(fd);
  }
  // Had this taken too long, somebody would have replaced the empty note.
  return isAt(path, note);
}

/** Longest that a note can be. */
const MAX_NOTE = 4096;

/**
 * Tells whether a file is none that a writer left; a crash leaves a note empty, cut off or zeros.
 */
function isForeign(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats?.isFile()) return false;
  return stats.size > MAX_NOTE || !/^(?:\0*$|\{)/.test(readFileSync(path, "latin1"));
}

/** Tells whether it is this note that is at a path. */
function isAt(path: string, note: Note): boolean {
  try {
    return whileHeld(() => readFileSync(path, "utf8")) === textOf(note);
  } catch {
    return false;
  }
}

function textOf({ exclusive, ...holder }: Note): string {
  return JSON.stringify(exclusive ? { ...holder, exclusive } : holder) + "\n";
}

/** Removes a file, if it is there. */
export function remove(path: string): void {
  try {
    whileHeld(() => unlinkSync(path));
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
}
