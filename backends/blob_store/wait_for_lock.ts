/**
 * Those who wait for the lock of a store, in order of arrival.
 *
 * While somebody waits, there is a folder `store.wait`. Each waiter has a ticket in it: a note
 * whose name is the next number. Only who has the least number tries the lock. Nobody is asked
 * for anything: a waiter looks whether the ticket before its own is still there, and takes away
 * that of a process which has ended. Every waiter sets the time of its ticket again and again. So a
 * ticket shows that its process lives where that cannot be asked: on another machine, stopped, or
 * another one by now that has its number.
 *
 * The lock alone keeps writers apart. A ticket that is lost costs its place in the order.
 *
 * @module
 */

import { mkdirSync, readdirSync, rmdirSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { StoreLockedError } from "../../src/blob_store/blob_store_errors.ts";
import type { CancelSignal } from "../../src/util/wait_options.ts";
import { whileHeld } from "../file/raw/held_files.ts";
import { codeOf } from "../file/raw/system.ts";
import { acquireLock, attempt, type Lock, lockName } from "./lock.ts";
import { dropNote, isAlive, makeNote, type Note, ownNote, readNote, remove } from "./owner_note.ts";

/** The first pause (ms) between two looks, and the longest one. */
const FIRST_PAUSE = 2, LONGEST_PAUSE = 100;
/** How often (ms) a waiter sets the time of its ticket. */
const BEAT = 500;
/** A ticket whose time stays the same for so long (ms) is void. Some disks round to 2 seconds. */
const LIFELESS = 5_000;
/** How often a ticket is tried to be made, while others make and remove theirs. */
const ATTEMPTS = 16;

/**
 * Locks a file for writing, and waits for the lock without holding up the event loop.
 *
 * @param path The file, which need not exist.
 * @param waitMs Most milliseconds to wait; with 0 it does as {@linkcode acquireLock}.
 * @param signal Gives up when it is aborted, with its reason.
 * @throws {StoreLockedError} Another writer still has it after that time.
 * @throws {StorageError} The lock cannot be made.
 */
export async function waitForLock(
  path: string,
  waitMs: number,
  signal?: CancelSignal,
): Promise<Lock> {
  if (waitMs === 0) return acquireLock(path);
  const place = new Place(`${lockName(path)}.wait`), start = performance.now();
  let pause = FIRST_PAUSE, wasFirst = false;
  try {
    for (;;) {
      signal?.throwIfAborted();
      const waited = performance.now() - start, left = waitMs - waited;
      const isFirst = attempt(path, () => place.isFirst());
      // Who would give up does as one who does not wait.
      if (isFirst || left <= 0) {
        try {
          return acquireLock(path);
        } catch (error) {
          if (!(error instanceof StoreLockedError)) throw error;
          if (left <= 0) throw new StoreLockedError(path, error.holder, Math.round(waited));
        }
      }
      attempt(path, () => place.keep());
      if (isFirst && !wasFirst) pause = FIRST_PAUSE;
      wasFirst = isFirst;
      await sleep(Math.min(pause, left), signal);
      pause = Math.min(1.5 * pause, LONGEST_PAUSE);
    }
  } finally {
    place.leave();
  }
}

/** The ticket before one's own, as it was when it was last seen to change. */
interface Ahead {
  readonly number: number;
  /** The time that its waiter has set. */
  readonly time: number;
  /** When that was seen first. */
  readonly seen: number;
}

/** A place in the queue, with a ticket from the first {@linkcode Place.keep} on. */
class Place {
  readonly #folder: string;
  #ticket: { readonly number: number; readonly note: Note } | undefined;
  #ahead: Ahead | undefined;
  #lastBeat = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Tells whether nobody is ahead who lives. The tickets of others, who do not, are removed. */
  isFirst(): boolean {
    const numbers = numbersIn(this.#folder);
    // Others remove a ticket that seems to be nobody's.
    if (this.#ticket && !numbers.includes(this.#ticket.number)) this.#ticket = undefined;
    const own = this.#ticket?.number ?? Infinity;
    const ahead = numbers.filter((number) => number < own).sort((a, b) => b - a);
    return !ahead.some((number) => this.#holds(number));
  }

  /** Makes a ticket where there is none, or none any more, and shows that its waiter lives. */
  keep(): void {
    const now = performance.now();
    if (this.#ticket === undefined) this.#ticket = makeTicket(this.#folder);
    else if (now - this.#lastBeat < BEAT) return;
    else touch(this.#path(this.#ticket.number));
    this.#lastBeat = now;
  }

  /**
   * Removes the ticket, and the folder after the last one. A ticket that cannot be removed is void
   * soon.
   */
  leave(): void {
    try {
      if (this.#ticket) dropNote(this.#path(this.#ticket.number), this.#ticket.note);
      rmdirSync(this.#folder);
    } catch {
      // Others wait, or nobody ever had a ticket.
    }
  }

  #path(number: number): string {
    return join(this.#folder, String(number));
  }

  /** Tells whether a ticket is of somebody who lives; else it is removed. */
  #holds(number: number): boolean {
    const path = this.#path(number), time = timeOf(path), now = performance.now();
    if (time === undefined) return false;
    if (this.#ahead?.number !== number || this.#ahead.time !== time) {
      this.#ahead = { number, time, seen: now };
    }
    const note = readNote(path);
    const isLifeless = now - this.#ahead.seen >= LIFELESS;
    // A note that cannot be read may be one that is just being written.
    if (!isLifeless && (note === undefined || isAlive(note))) return true;
    try {
      remove(path);
    } catch {
      // It is void all the same.
    }
    return false;
  }
}

/** The numbers of the tickets. */
function numbersIn(folder: string): number[] {
  try {
    const names = whileHeld(() => readdirSync(folder));
    return names.filter((name) => /^[1-9]\d{0,14}$/.test(name)).map(Number);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
}

/** A new ticket, behind all others; undefined where none can be made now, as on a full disk. */
function makeTicket(folder: string): { number: number; note: Note } | undefined {
  const note = ownNote(false);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      whileHeld(() => mkdirSync(folder, { recursive: true }));
      const number = numbersIn(folder).reduce((a, b) => Math.max(a, b), 0) + 1;
      if (makeNote(join(folder, String(number)), note)) return { number, note };
    } catch (error) {
      const code = codeOf(error) ?? "";
      if (["ENOSPC", "EDQUOT"].includes(code)) return undefined;
      // Another one has removed the folder, as the last who was in it.
      if (code !== "ENOENT") throw error;
    }
  }
  return undefined;
}

/** Sets the time of a ticket, which another one may have removed. */
function touch(path: string): void {
  const seconds = Date.now() / 1000;
  try {
    whileHeld(() => utimesSync(path, seconds, seconds));
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
}

function timeOf(path: string): number | undefined {
  return whileHeld(() => statSync(path, { throwIfNoEntry: false }))?.mtimeMs;
}

/** A pause, which a signal ends with its reason. */
function sleep(milliseconds: number, signal?: CancelSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", abort, { once: true });
  });
}
