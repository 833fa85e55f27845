/**
 * Publishing the blobs of a store by path.
 *
 * @module
 */

import { closeSync, existsSync, openSync, readSync } from "node:fs";
import type { BackingStore } from "../../src/arena/backing_store.ts";
import {
  type BlobReader,
  type ProgressOptions,
  publishBlobs as publishCore,
  type PublishReport,
} from "../../src/blob_store/mod.ts";
import { hexOf } from "../../src/util/hex_of.ts";
import { isStore, pathIn, publish, refusal } from "./new_file.ts";

/** The first bytes of a blob store. */
const MAGIC = "894f41420d0a1a0a";

/**
 * Writes all blobs into a file so that they are read over HTTP by the fewest requests. A reader
 * opens it with the first 64 KiB. Then come the blobs in the order of their keys, and last the
 * index. An index that fits into the first 64 KiB, as that of 1,000 keys, is there. It is a store
 * like any other.
 *
 * A file gets its name once it is complete and durable, in place of one that was published before:
 * who reads that one over HTTP sees the old file or the new one.
 *
 * The store that is read may change meanwhile: then all of it begins again, so that what is written
 * was there at one moment. O(bytes); takes 30 to 60 bytes of memory a key, and 2 MiB.
 *
 * @param from The store with the blobs.
 * @param to A path or `file:` URL where nothing is, or a published store; or an empty backing
 * store.
 * @throws {BlobChangedError} The store was changed during each of 16 attempts.
 * @throws {StorageError} `to` is another file, or a store that programs write, or it cannot be
 * written.
 * @throws {TypeError} `to` holds blobs, or an argument is not valid.
 */
export async function publishBlobs(
  from: BlobReader<unknown>,
  to: string | URL | BackingStore,
  options: ProgressOptions = {},
): Promise<PublishReport> {
  if (isStore(to)) return await publishCore(from, to, options);
  const path = pathIn("to", to);
  checkReplaceable(path);
  return await publish(path, async (file) => {
    const report = await publishCore(from, file, options);
    checkReplaceable(path);
    return report;
  });
}

/** Throws where a path is something else than a store that nobody writes. */
function checkReplaceable(path: string): void {
  if (!existsSync(path)) return;
  // The second one is the only lock where there is no SQLite, and goes with its writer.
  if (existsSync(`${path}.lock`) || existsSync(`${path}.owner`)) {
    throw refusal("it is a store that programs write", path);
  }
  let magic: string;
  try {
    const file = openSync(path, "r"), bytes = new Uint8Array(8);
    try {
      readSync(file, bytes, 0, 8, 0);
    } finally {
      closeSync(file);
    }
    magic = hexOf(bytes);
  } catch (cause) {
    throw refusal("what is there cannot be read", path, cause);
  }
  if (magic !== MAGIC) throw refusal("what is there is no blob store", path);
}
