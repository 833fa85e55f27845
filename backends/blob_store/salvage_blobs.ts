/**
 * Salvaging a blob store by path.
 *
 * @module
 */

import type { BackingStore } from "../../src/arena/backing_store.ts";
import {
  type ProgressOptions,
  salvageBlobs as salvageCore,
  type SalvageReport,
} from "../../src/blob_store/mod.ts";
import { checkOptions } from "../../src/util/check_options.ts";
import { checkType } from "../../src/util/check_type.ts";
import { checkSignal } from "../../src/util/wait_options.ts";
import { BlobFile } from "./blob_file.ts";
import { isStore, makeFile, pathIn } from "./new_file.ts";

/**
 * Copies every whole blob out of a damaged store, even one that does not open. Where the header,
 * the root of the index or the log is damaged, or the file is cut off, it searches the whole file
 * for pages of the index and commits of the log. It takes the newest version of each blob whose
 * bytes fit their checksums. The damaged store is only read, and should have no writer.
 *
 * O(bytes in the file). In memory is what is known of each blob, and 1 MiB of their bytes.
 *
 * @param from The damaged store: a path, a `file:` URL or a backing store.
 * @param to A path or `file:` URL where nothing is, or an empty backing store. A file gets its name
 * once it is complete and durable.
 * @returns The blobs copied, those lost, and those that may be missing.
 * @throws {CorruptStoreError} There is nothing of a blob store, or it is of a later version of the
 * format.
 * @throws {StorageError} `from` cannot be opened, or `to` is there already or cannot be written.
 * @throws {TypeError} `to` holds blobs, or an argument is not valid.
 */
export async function salvageBlobs(
  from: string | URL | BackingStore,
  to: string | URL | BackingStore,
  options: ProgressOptions = {},
): Promise<SalvageReport> {
  checkOptions(options, "onProgress signal");
  checkType("onProgress", options.onProgress, "function");
  checkSignal(options.signal);
  options.signal?.throwIfAborted();
  const file = isStore(from) ? undefined : BlobFile.open(pathIn("from", from), { readOnly: true });
  const source = file ?? from as BackingStore;
  try {
    if (isStore(to)) return await salvageCore(source, to, options);
    return await makeFile(pathIn("to", to), (target) => salvageCore(source, target, options));
  } finally {
    await file?.close();
  }
}
