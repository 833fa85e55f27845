/**
 * One writer per file, across processes and runtimes. The lock of a crashed process
 * is free at once.
 *
 * Neither Node nor Bun can lock a file, but all have SQLite, which can: the lock on
 * `store` is an exclusive transaction on the empty database `store.lock`. The file stays when the
 * lock is released. A process that removed it could take it away from another one that has just
 * opened it: each would hold a lock on a file of its own. For the sake of POSIX locks no process
 * may open it by other means while it holds the lock.
 *
 * `store.owner` says who holds the lock, and is removed with it. Where there is no
 * SQLite (Node 20) this note is the lock, and that of an ended process is replaced. It
 * is weaker: of another machine's note nobody can tell whether it still holds, and the
 * number of an ended process may belong to another one. A person who knows better removes it.
 *
 * A name counts with its symbolic links resolved; a second hard link is another file.
 *
 * @module
 */

import { accessSync, constants, readlinkSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import process from "node:process";
import { StorageError } from "../../src/arena/backing_store.ts";
import { type LockHolder, StoreLockedError } from "../../src/blob_store/blob_store_errors.ts";
import { messageOf } from "../file/raw/file_io.ts";
import { codeOf } from "../file/raw/system.ts";
import {
  dropNote,
  holderOf,
  isAlive,
  type Note,
  ownNote,
  readNote,
  takeNote,
} from "./owner_note.ts";

/** The right to write a file. */
export interface Lock {
  /** The file, symbolic links resolved. */
  readonly path: string;
  /** Gives the right back. Doing so again does nothing. */
  release(): void;
}

/** The part of `node:sqlite` that is used. */
interface Sqlite {
  readonly DatabaseSync: new (path: string) => Database;
}

interface Database {
  exec(sql: string): void;
  close(): void;
}

/** Nothing is ever written, so no journal need lie beside the database. */
const LOCK = "PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; " +
  "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE";

/** The parts of a lock. A database that nothing refers to would be closed. */
interface Held {
  readonly note: Note;
  readonly database: Database | undefined;
}

/** The locks of this process by path: an owner note alone cannot tell two of one process apart. */
let held: Map<string, Held> | undefined;

/**
 * Locks a file, which need not exist, for writing.
 *
 * @throws {StoreLockedError} It is locked already, here or elsewhere.
 * @throws {StorageError} The lock cannot be made, as in a folder that is not writable.
 */
export function acquireLock(path: string): Lock {
  const name = lockName(path);
  const here = held?.get(name);
  if (here) throw new StoreLockedError(path, holderOf(here.note));
  const lock = attempt(path, () => take(path, name));
  (held ??= new Map()).set(name, lock);
  return { path: name, release: () => release(name, lock) };
}

/**
 * The name of a file without symbolic links, which its lock goes by.
 *
 * @throws {StorageError} It leads nowhere.
 */
export function lockName(path: string): string {
  return attempt(path, () => realPath(path));
}

/** The locks that can be had: the database's, where there is one, and the note. */
function take(path: string, name: string): Held {
  const sqlite = loadSqlite();
  const owner = ownerOf(name), note = ownNote(sqlite === undefined);
  const database = sqlite && lockDatabase(sqlite, path, name);
  try {
    // Who holds the database's lock has ended the reign of every note that relied on it.
    const holds = (other: Note) => (other.exclusive || !database) && isAlive(other);
    const refusal = takeNote(owner, note, holds);
    if (refusal) throw new StoreLockedError(path, refusal.holder);
  } catch (error) {
    // With the database's lock a store on a full disk can be opened, to delete from it.
    const isFull = ["ENOSPC", "EDQUOT"].includes(codeOf(error) ?? "");
    if (!database || !isFull) {
      database?.close();
      throw error;
    }
  }
  return { note, database };
}

function release(name: string, lock: Held): void {
  if (held?.get(name) !== lock) return;
  // The note goes first: after the lock it could be the next holder's.
  try {
    dropNote(ownerOf(name), lock.note);
  } finally {
    lock.database?.close();
    held.delete(name);
  }
}

function lockDatabase(sqlite: Sqlite, path: string, name: string): Database {
  let database: Database | undefined;
  try {
    database = new sqlite.DatabaseSync(`${name}.lock`);
    database.exec(LOCK);
    return database;
  } catch (error) {
    database?.close();
    if (isBusy(error)) throw new StoreLockedError(path, livingHolder(name));
    const unusable = reasonOfLock(`${name}.lock`, messageOf(error));
    if (unusable !== undefined) throw new StorageError("open", 0, 0, unusable, { cause: error });
    if (!isNoDatabase(error)) throw error;
    const advice = "delete it, if no process has the store open";
    const reason = `its lock, ${name}.lock, is not a database: ${advice}`;
    throw new StorageError("open", 0, 0, reason, { cause: error });
  }
}

/** Tells whether SQLite said SQLITE_BUSY; Deno gives its words and not its number. */
function isBusy(error: unknown): boolean {
  const { errcode } = error as { errcode?: number };
  return errcode === undefined ? messageOf(error) === "database is locked" : (errcode & 255) === 5;
}

/** Tells whether SQLite said SQLITE_NOTADB or SQLITE_CORRUPT. */
function isNoDatabase(error: unknown): boolean {
  const { errcode } = error as { errcode?: number };
  const words = /^file is not a database|^database disk image is malformed/;
  return errcode === undefined ? words.test(messageOf(error)) : [11, 26].includes(errcode & 255);
}

/** Throws unless this process has the right to use a path so, as `accessSync` does. */
export type Access = (path: string, mode: number) => void;

/** Codes of SQLite: SQLITE_CANTOPEN, SQLITE_READONLY. */
const UNOPENABLE = /unable to open database file|attempt to write a readonly database/;

/**
 * Which right is missing, or what is in the way; undefined where it is something else. The file is
 * not opened: to close it again would release the lock that another thread of the process has.
 *
 * @param lock The file of the lock.
 * @param message The message of SQLite.
 * @param access The access that was asked for.
 */
export function reasonOfLock(
  lock: string,
  message: string,
  access: Access = accessSync,
): string | undefined {
  if (!UNOPENABLE.test(message)) return undefined;
  const { R_OK, W_OK, X_OK } = constants, folder = dirname(lock);
  const found = statSync(lock, { throwIfNoEntry: false });
  if (found !== undefined && !found.isFile()) {
    return `its lock, ${lock}, is ${found.isDirectory() ? "a folder" : "not a file"}`;
  }
  try {
    if (found === undefined) access(folder, W_OK | X_OK);
    else access(lock, R_OK | W_OK);
    return undefined;
  } catch (error) {
    const { code, message: words } = error as { code?: string; message: string };
    if (code === undefined || words.includes("--allow-")) return undefined; // Deno may not look
    return found === undefined
      ? `its lock, ${lock}, cannot be made: no right to write in the folder ${folder} (${code})`
      : `its lock, ${lock}, cannot be used: no right to read and write it (${code})`;
  }
}

/** The holder of the lock; a note left behind by a crash says nothing of the next holder. */
function livingHolder(name: string): LockHolder | undefined {
  const note = readNote(ownerOf(name));
  return note && isAlive(note) ? holderOf(note) : undefined;
}

/** `node:sqlite`, where there is one; Node 22 would print a warning of it. */
function loadSqlite(): Sqlite | undefined {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return process.getBuiltinModule?.("node:sqlite");
  } finally {
    process.emitWarning = emitWarning;
  }
}

function ownerOf(name: string): string {
  return `${name}.owner`;
}

/** A path without symbolic links, also of a file that is yet to be made. */
function realPath(path: string): string {
  try {
    return realpathSync.native(path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
  const name = join(realpathSync.native(dirname(path)), basename(path));
  let target: string;
  try {
    target = readlinkSync(name);
  } catch {
    return name;
  }
  return realPath(resolve(dirname(name), target));
}

/** Runs a step of the opening, its failure as a StorageError. */
export function attempt<T>(path: string, step: () => T): T {
  try {
    return step();
  } catch (cause) {
    if (cause instanceof StoreLockedError || cause instanceof StorageError) throw cause;
    throw new StorageError("open", 0, 0, `${messageOf(cause)} (lock of ${path})`, { cause });
  }
}
