/**
 * A folder that files are written into by names that nobody vouches for.
 *
 * @module
 */

import * as fs from "node:fs";
import { join } from "node:path";
import type { Chunks } from "./chunks.ts";
import { codeOf, isNotPermitted, naming } from "./errors.ts";
import { type FileAttributes, type FileId, idOf, makeFile } from "./files.ts";
import { escapes } from "./safe_name.ts";

/** A file that was not written, while others can be. The message is the reason. */
export class Refusal extends Error {
  /** The name of the class. */
  override readonly name: string = "Refusal";
}

/** Error codes of a name that the system does not take, here and now. */
const REFUSALS = new Set([
  ...["EACCES", "EBUSY", "EEXIST", "EILSEQ", "EINVAL", "EISDIR", "ELOOP", "ENAMETOOLONG"],
  ...["ENOTDIR", "ENOTEMPTY", "EPERM"],
]);

/** How files are written into a folder. */
export interface SafeFolderOptions {
  /** True if files that exist are replaced. */
  readonly force: boolean;
  /** True if a file, which may be there, is left alone whatever `force` is. */
  readonly isSpared: (path: string, found: FileId | undefined) => boolean;
}

/**
 * A folder outside of which nothing is touched, whatever the names are. Every folder on the way to
 * a file is made here or is a real one. A file is made under a new name and then gets its own, so
 * that no symbolic link is followed. Nobody else may exchange its folders for links at the same
 * moment.
 */
export class SafeFolder {
  readonly #root: string;
  readonly #force: boolean;
  readonly #isSpared: SafeFolderOptions["isSpared"];
  /** The files made here. Another name can lead to one: `README` to `readme`, or `e´` to `é`. */
  readonly #made = new Set<string>();

  /**
   * Takes a folder, which is made where it is missing.
   *
   * @param path The folder; it may be a link to one.
   */
  constructor(path: string, { force, isSpared }: SafeFolderOptions) {
    this.#root = naming("write", path, () => {
      fs.mkdirSync(path, { recursive: true });
      return fs.realpathSync.native(path);
    });
    this.#force = force;
    this.#isSpared = isSpared;
  }

  /**
   * Writes a file.
   *
   * @param name Its path from the folder, with `/`.
   * @param chunks Its bytes.
   * @param attributes Its attributes.
   * @throws {Refusal} Where that name is not for this folder; nothing is changed then but
   *   that some folders may have been made.
   */
  async write(name: string, chunks: Chunks, attributes: FileAttributes): Promise<void> {
    const reason = escapes(name);
    if (reason !== undefined) throw new Refusal(reason);
    try {
      const path = this.#place(name);
      await makeFile(path, chunks, attributes);
      this.#made.add(textOf(idOf(path), path));
    } catch (error) {
      const code = codeOf(error);
      const isOfName = code !== undefined && REFUSALS.has(code) && !isNotPermitted(error);
      throw isOfName ? new Refusal(code, { cause: error }) : error;
    }
  }

  /** The path where a file may be made. */
  #place(name: string): string {
    const segments = name.split("/");
    const last = segments.pop()!;
    let folder = this.#root;
    for (const segment of segments) {
      folder = join(folder, segment);
      const found = fs.lstatSync(folder, { bigint: true, throwIfNoEntry: false });
      if (this.#isSpared(folder, found)) throw new Refusal(`${segment} belongs to the store`);
      if (found === undefined) fs.mkdirSync(folder);
      else if (found.isSymbolicLink()) throw new Refusal(`${segment} is a symbolic link`);
      else if (!found.isDirectory()) throw new Refusal(`${segment} is a file, not a folder`);
    }
    const path = join(folder, last);
    const found = fs.lstatSync(path, { bigint: true, throwIfNoEntry: false });
    if (this.#isSpared(path, found)) throw new Refusal("it belongs to the store");
    if (found === undefined) return path;
    if (found.isDirectory()) throw new Refusal("there is a folder of that name");
    if (this.#made.has(textOf(found, path))) {
      throw new Refusal("it is the same name here as that of another blob, which was exported");
    }
    if (!this.#force) throw new Refusal("it exists, and --force is not given");
    return path;
  }
}

/** A file as text. Where the system does not say which it is, its path as most would compare it. */
function textOf(id: FileId | undefined, path: string): string {
  if (id === undefined || id.ino === 0n) return path.normalize("NFC").toLowerCase();
  return `${id.dev}:${id.ino}`;
}
