/**
 * Pages of a store in memory: those that are not in the table as they are, and a cache of others.
 *
 * @module
 */

/** A page in memory. */
export interface Page {
  readonly number: number;
  readonly bytes: Uint8Array;
  /** The version of its row when it was read or written; -1 without a row. */
  version: number;
  /** True if it has changes that no statement has. */
  isDirty: boolean;
  /** True if it has changes that only redo rows have. */
  isUnfolded: boolean;
  /** True if a statement that is under way has its changes. */
  isSent: boolean;
  /** How many writes wait for it. */
  pins: number;
  /** True if the store no longer reaches to it. */
  isCut: boolean;
}

/** A page of zeros, or of the bytes of a row. */
export function newPage(number: number, size: number, row?: Uint8Array, version = -1): Page {
  // A copy: a client may give a view of a buffer that it uses again.
  const bytes = new Uint8Array(size);
  if (row !== undefined) bytes.set(row.subarray(0, size));
  const clean = { isDirty: false, isUnfolded: false, isSent: false, isCut: false };
  return { number, bytes, version, ...clean, pins: 0 };
}

/** Tells whether all bytes of a page are zero. */
export function isZero({ bytes }: Page): boolean {
  const words = new BigUint64Array(bytes.buffer);
  for (let i = 0; i < words.length; i++) if (words[i] !== 0n) return false;
  return true;
}

/** The pages that are in memory, by number. */
export class PageMemory {
  /** Those that must stay: the only copy is here, or somebody waits for it. */
  readonly #kept: Map<number, Page> = new Map();
  /** Those that are in the table too, the one used last at the end. */
  readonly #idle: Map<number, Page> = new Map();
  readonly #maxIdle: number;

  /** @param maxIdle Most pages that are cached. */
  constructor(maxIdle: number) {
    this.#maxIdle = maxIdle;
  }

  /** A page, if it is here. */
  get(number: number): Page | undefined {
    const kept = this.#kept.get(number);
    if (kept !== undefined) return kept;
    const idle = this.#idle.get(number);
    if (idle === undefined) return undefined;
    this.#idle.delete(number);
    this.#idle.set(number, idle);
    return idle;
  }

  /** Takes a page in, or puts it where its state wants it. */
  settle(page: Page): void {
    this.#idle.delete(page.number);
    if (page.isDirty || page.isUnfolded || page.isSent || page.pins > 0) {
      this.#kept.set(page.number, page);
      return;
    }
    this.#kept.delete(page.number);
    if (this.#maxIdle === 0) return;
    this.#idle.set(page.number, page);
    if (this.#idle.size <= this.#maxIdle) return;
    for (const oldest of this.#idle.keys()) {
      this.#idle.delete(oldest);
      break;
    }
  }

  /** Pages with changes that no statement has. */
  dirty(): Page[] {
    return [...this.#kept.values()].filter(({ isDirty }) => isDirty);
  }

  /** Pages whose changes only redo rows have. */
  unfolded(): Page[] {
    return [...this.#kept.values()].filter(({ isUnfolded }) => isUnfolded);
  }

  /** The pages of the cache. */
  idle(): Iterable<Page> {
    return this.#idle.values();
  }

  /** Forgets a page. */
  drop(number: number): void {
    this.#kept.delete(number);
    this.#idle.delete(number);
  }

  /** Forgets the pages from a number on. */
  cut(first: number): void {
    for (const pages of [this.#kept, this.#idle]) {
      for (const [number, page] of pages) {
        if (number < first) continue;
        page.isCut = true;
        pages.delete(number);
      }
    }
  }
}
