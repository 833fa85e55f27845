/**
 * A file as the runtimes have it: by descriptor or cursor, in place or on the thread pool.
 *
 * @module
 */

export { AsyncFile } from "./async_file.ts";
export { deviceNumber, isUsableDevice } from "./block_device.ts";
export { Cursor, nextTurn } from "./cursor.ts";
export type { SeekableFile } from "./cursor.ts";
export { Descriptor, handleOf } from "./descriptor.ts";
export type { FileHandleLike } from "./descriptor.ts";
export { FileIO, MAX_PER_TURN, messageOf, SyncFileIO } from "./file_io.ts";
export type { SyncRawFile } from "./file_io.ts";
export { discardFile, renameFile, whileHeld } from "./held_files.ts";
export type { HeldSystem } from "./held_files.ts";
export { openFileIO, pathOf } from "./open_file.ts";
export { codeOf, sleepSync, wouldAsk } from "./system.ts";
export type { FileOpenOptions, FilePath } from "./open_file.ts";
