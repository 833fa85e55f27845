/**
 * An origin private file system and Web Locks in memory, as browsers have them, for the runtimes
 * that have none; their calls can be made to fail.
 *
 * @module
 */

import type {
  BlobLike,
  OpfsFileHandle,
  OpfsFolder,
  SyncAccessHandleLike,
  WebLockOptions,
  WebLocks,
} from "../../backends/opfs/browser_files.ts";

/** What a browser throws. */
export function browserError(name: string): DOMException {
  return new DOMException(`the ${name} of this test`, name);
}

/** The bytes of a file, and who has it open. */
class FakeBytes {
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  /** How often it is open: once for writing, or any number of times for reading. */
  writers = 0;
  readers = 0;

  get isOpen(): boolean {
    return this.writers + this.readers > 0;
  }
}

/** What can be made to go wrong. */
export interface Faults {
  /** Called before each access of an open handle: throws, or gives the most bytes it moves. */
  access: (what: string) => number | void;
  /** Most bytes of a file. */
  quota: number;
}

/** An open handle of a file. */
export class FakeAccessHandle implements SyncAccessHandleLike {
  readonly #file: FakeBytes;
  readonly #mode: string;
  readonly #faults: Faults;
  #isOpen = true;
  flushes = 0;

  constructor(file: FakeBytes, mode: string, faults: Faults) {
    this.#file = file;
    this.#mode = mode;
    this.#faults = faults;
    if (mode === "read-only") file.readers++;
    else file.writers++;
  }

  #begin(what: string, length: number): number {
    if (!this.#isOpen) throw browserError("InvalidStateError");
    if (this.#mode === "read-only" && ["write", "truncate", "flush"].includes(what)) {
      throw browserError("NoModificationAllowedError");
    }
    return Math.min(length, this.#faults.access(what) ?? Infinity);
  }

  #grow(byteLength: number): void {
    if (byteLength > this.#faults.quota) throw browserError("QuotaExceededError");
    const bytes = new Uint8Array(byteLength);
    bytes.set(this.#file.bytes.subarray(0, byteLength));
    this.#file.bytes = bytes;
  }

  read(buffer: Uint8Array, { at = 0 }: { at?: number } = {}): number {
    const found = this.#file.bytes.subarray(at, at + this.#begin("read", buffer.length));
    buffer.set(found);
    return found.length;
  }

  write(buffer: Uint8Array, { at = 0 }: { at?: number } = {}): number {
    const length = this.#begin("write", buffer.length);
    if (at + length > this.#file.bytes.length) this.#grow(at + length);
    this.#file.bytes.set(buffer.subarray(0, length), at);
    return length;
  }

  truncate(newSize: number): void {
    this.#begin("truncate", 0);
    this.#grow(newSize);
  }

  getSize(): number {
    this.#begin("getSize", 0);
    return this.#file.bytes.length;
  }

  flush(): void {
    this.#begin("flush", 0);
    this.flushes++;
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    if (this.#mode === "read-only") this.#file.readers--;
    else this.#file.writers--;
  }
}

type Entries = Map<string, FakeBytes | Entries>;

/** A handle of a file, by its place as in browsers. */
class FakeFileHandle implements OpfsFileHandle {
  readonly kind = "file";
  readonly folder: Entries;
  readonly #faults: Faults;
  name: string;

  constructor(folder: Entries, name: string, faults: Faults) {
    this.folder = folder;
    this.name = name;
    this.#faults = faults;
  }

  #file(): FakeBytes {
    const file = this.folder.get(this.name);
    if (file instanceof FakeBytes) return file;
    throw browserError("NotFoundError");
  }

  getFile(): Promise<BlobLike> {
    return Promise.resolve().then(() => new Blob([this.#file().bytes]));
  }

  createSyncAccessHandle({ mode = "readwrite" } = {}): Promise<SyncAccessHandleLike> {
    return Promise.resolve().then(() => {
      const file = this.#file(), isBusy = mode === "read-only" ? file.writers > 0 : file.isOpen;
      if (isBusy) throw browserError("NoModificationAllowedError");
      return new FakeAccessHandle(file, mode, this.#faults);
    });
  }

  move(name: string): Promise<void> {
    return Promise.resolve().then(() => {
      const file = this.#file(), other = this.folder.get(name);
      if (file.isOpen || (other instanceof FakeBytes && other.isOpen)) {
        throw browserError("NoModificationAllowedError");
      }
      this.folder.delete(this.name);
      this.folder.set(name, file);
      this.name = name;
    });
  }
}

/** A folder. */
export class FakeFolder implements OpfsFolder {
  readonly faults: Faults;
  readonly #entries: Entries;

  constructor(entries: Entries = new Map(), faults: Faults = { access() {}, quota: Infinity }) {
    this.#entries = entries;
    this.faults = faults;
  }

  getDirectoryHandle(name: string, { create = false } = {}): Promise<OpfsFolder> {
    return Promise.resolve().then(() => {
      let found = this.#entries.get(name);
      if (found === undefined && create) this.#entries.set(name, found = new Map());
      if (found === undefined) throw browserError("NotFoundError");
      if (found instanceof FakeBytes) throw browserError("TypeMismatchError");
      return new FakeFolder(found, this.faults);
    });
  }

  getFileHandle(name: string, { create = false } = {}): Promise<OpfsFileHandle> {
    return Promise.resolve().then(() => {
      let found = this.#entries.get(name);
      if (found === undefined && create) this.#entries.set(name, found = new FakeBytes());
      if (found === undefined) throw browserError("NotFoundError");
      if (!(found instanceof FakeBytes)) throw browserError("TypeMismatchError");
      return new FakeFileHandle(this.#entries, name, this.faults);
    });
  }

  /** Frees the files and locks of all handles, as a worker that ended. */
  endHandles(): void {
    const visit = (entries: Entries) => {
      for (const entry of entries.values()) {
        if (entry instanceof FakeBytes) entry.readers = entry.writers = 0;
        else visit(entry);
      }
    };
    visit(this.#entries);
    installNavigator(this);
  }

  removeEntry(name: string): Promise<void> {
    return Promise.resolve().then(() => {
      const found = this.#entries.get(name);
      if (found === undefined) throw browserError("NotFoundError");
      if (found instanceof FakeBytes && found.isOpen) {
        throw browserError("NoModificationAllowedError");
      }
      this.#entries.delete(name);
    });
  }

  resolve(file: OpfsFileHandle): Promise<string[] | null> {
    const pathTo = (entries: Entries): string[] | null => {
      if ((file as Partial<FakeFileHandle>).folder === entries) return [file.name];
      for (const [name, inner] of entries) {
        const rest = inner instanceof FakeBytes ? null : pathTo(inner);
        if (rest !== null) return [name, ...rest];
      }
      return null;
    };
    return Promise.resolve(pathTo(this.#entries));
  }

  async *keys(): AsyncIterable<string> {
    yield* await [...this.#entries.keys()];
  }
}

/** Who has or wants a lock. */
interface Claim {
  readonly isShared: boolean;
  isHeld: boolean;
  grant(): void;
}

/** Web Locks. */
class FakeLocks implements WebLocks {
  readonly #lines = new Map<string, Claim[]>();

  request(
    name: string,
    { mode = "exclusive", ifAvailable = false, signal }: WebLockOptions,
    held: (lock: unknown) => Promise<unknown> | void,
  ): Promise<unknown> {
    const line = this.#lines.get(name) ?? [];
    this.#lines.set(name, line);
    return new Promise((resolve, reject) => {
      const leave = (claim: Claim) => {
        line.splice(line.indexOf(claim), 1);
        this.#grant(line);
      };
      const isShared = mode === "shared";
      if (ifAvailable && line.some((other) => !(isShared && other.isShared))) {
        return resolve(Promise.resolve().then(() => held(null)));
      }
      const claim: Claim = {
        isShared,
        isHeld: false,
        grant: () => {
          const end = Promise.resolve().then(() => held({ name, mode }));
          end.finally(() => leave(claim)).then(resolve, reject);
        },
      };
      signal?.addEventListener("abort", () => {
        if (claim.isHeld) return;
        leave(claim);
        reject(signal.reason);
      });
      line.push(claim);
      this.#grant(line);
    });
  }

  #grant(line: Claim[]): void {
    for (const claim of line) {
      const before = line.slice(0, line.indexOf(claim));
      if (before.some((other) => !(claim.isShared && other.isShared))) return;
      if (claim.isHeld) continue;
      claim.isHeld = true;
      claim.grant();
    }
  }
}

/** Whether this is a browser, with files of its own. */
export const isBrowser: boolean =
  typeof (globalThis as { navigator?: { storage?: { getDirectory?: unknown } } }).navigator?.storage
    ?.getDirectory === "function";

/** Gives this runtime an empty private file system, in place of the one that it may have. */
export function installOpfs(): FakeFolder {
  const root = new FakeFolder();
  installNavigator(root);
  return root;
}

/** With these files, and locks that nobody holds. */
function installNavigator(root: FakeFolder): void {
  const storage = { getDirectory: () => Promise.resolve(root) };
  Object.defineProperty(globalThis, "navigator", {
    configurable: true,
    value: { storage, locks: new FakeLocks() },
  });
}
