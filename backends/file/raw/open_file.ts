/**
 * Opening a file by path or URL.
 *
 * @module
 */

import { closeSync, constants, openSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { StorageError } from "../../../src/arena/backing_store.ts";
import { describe } from "../../../src/util/check_integer.ts";
import { checkOptions } from "../../../src/util/check_options.ts";
import { checkType } from "../../../src/util/check_type.ts";
import { Descriptor, handleOf } from "./descriptor.ts";
import { FileIO, messageOf } from "./file_io.ts";

/** How a file is opened; by default it must exist, and is read and written. */
export interface FileOpenOptions {
  /** Makes the file if there is none. */
  readonly create?: boolean;
  /** Makes the file, and refuses one that is there. */
  readonly createNew?: boolean;
  /** Refuses writes and resizes. */
  readonly readOnly?: boolean;
  /** Empties the file. */
  readonly truncate?: boolean;
}

/** Where a file is: a path, or a `file:` URL. */
export type FilePath = string | { readonly href: string };

/** An io over a file opened here. */
export function openFileIO(path: FilePath, options: FileOpenOptions): FileIO {
  checkOptions(options, "create createNew readOnly truncate");
  for (const [name, value] of Object.entries(options)) checkType(name, value, "boolean");
  const { create = false, createNew = false, readOnly = false, truncate = false } = options;
  if (readOnly && (create || createNew || truncate)) {
    throw new TypeError("Expected readOnly without create, createNew and truncate");
  }
  const name = pathOf(path);
  // One call with one outcome: no second opener gets in between "is it there" and "make it".
  const flags = (readOnly ? constants.O_RDONLY : constants.O_RDWR) |
    (create || createNew ? constants.O_CREAT : 0) |
    (createNew ? constants.O_EXCL : 0) |
    (truncate ? constants.O_TRUNC : 0);
  let fd: number;
  try {
    fd = openSync(name, flags);
  } catch (cause) {
    throw new StorageError("open", 0, 0, messageOf(cause), { cause });
  }
  return new FileIO(new Descriptor(handleOf(fd)), name, readOnly, () => closeSync(fd));
}

/** The path a URL stands for. */
export function pathOf(path: FilePath): string {
  if (typeof path === "string") return path;
  if (typeof path?.href === "string") return fileURLToPath(path.href);
  throw new TypeError(`Expected path to be a path or a file: URL, got ${describe(path)}`);
}
