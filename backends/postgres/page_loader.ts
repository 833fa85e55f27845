/**
 * Reads of pages: all that are asked for in one turn of the event loop are one statement.
 *
 * @module
 */

import { newPage, type Page, type PageMemory } from "./page_memory.ts";
import { applyRedo, type Redo } from "./redo.ts";
import type { StoreLink } from "./store_link.ts";

/** Most pages of a statement: 1 MiB of pages of 8 KiB. */
const MAX_PAGES = 128;
/** So many steps of promises after the first read of a turn, the others have come: 5 us. */
const GATHER_STEPS = 16;

/** A page that is being read. */
interface Load {
  readonly number: number;
  readonly promise: Promise<Page>;
  readonly resolve: (page: Page) => void;
  readonly reject: (error: unknown) => void;
  /** The redo rows that were known when it was asked for. */
  readonly redos: readonly Redo[];
  /** How many writes wait for it. */
  pins: number;
}

/** Reads pages into a memory. */
export class PageLoader {
  /** The redo rows of a reader. */
  redos: readonly Redo[] = [];
  readonly #link: StoreLink;
  readonly #memory: PageMemory;
  readonly #pageSize: number;
  readonly #loading: Map<number, Load> = new Map();
  #gathered: Load[] = [];

  constructor(link: StoreLink, memory: PageMemory, pageSize: number) {
    this.#link = link;
    this.#memory = memory;
    this.#pageSize = pageSize;
  }

  /** A page that is not in memory; pinned where a write waits for it. */
  load(number: number, isPinned: boolean): Promise<Page> {
    let load = this.#loading.get(number);
    if (load === undefined) {
      load = { number, ...withResolvers(), redos: this.redos, pins: 0 };
      this.#loading.set(number, load);
      if (this.#gathered.push(load) === 1) void this.#gather();
    }
    if (isPinned) load.pins++;
    return load.promise;
  }

  /** A page was written whole while it was being read: who waits gets it. */
  supersede(page: Page): void {
    const load = this.#loading.get(page.number);
    if (load === undefined) return;
    this.#loading.delete(page.number);
    page.pins += load.pins;
    load.resolve(page);
  }

  /** Pages from a number on were cut off while they were being read. */
  cut(first: number): void {
    for (const { number, resolve } of this.#loading.values()) {
      if (number < first) continue;
      this.#loading.delete(number);
      resolve(newPage(number, this.#pageSize));
    }
  }

  /** Reads under way go to their waiters and are not kept: they may be old. */
  detach(): void {
    this.#loading.clear();
  }

  async #gather(): Promise<void> {
    for (let step = 0; step < GATHER_STEPS; step++) await undefined;
    const loads = this.#gathered;
    this.#gathered = [];
    for (let i = 0; i < loads.length; i += MAX_PAGES) {
      void this.#read(loads.slice(i, i + MAX_PAGES));
    }
  }

  async #read(loads: readonly Load[]): Promise<void> {
    const known = this.#link.version;
    try {
      const numbers = loads.map(({ number }) => number).join(",");
      const rows = await this.#link.ask(this.#link.statements.pages, [numbers]);
      this.#link.check(rows[0], known);
      const found = new Map(rows.map((row) => [Number(row.page ?? -1), row]));
      for (const load of loads) {
        const row = found.get(load.number);
        const version = row === undefined ? -1 : Number(row.page_version);
        const bytes = row?.data as Uint8Array | undefined;
        this.#arrive(load, newPage(load.number, this.#pageSize, bytes, version));
      }
    } catch (error) {
      for (const load of loads) {
        if (this.#loading.get(load.number) === load) this.#loading.delete(load.number);
        load.reject(error);
      }
    }
  }

  #arrive(load: Load, page: Page): void {
    applyRedo(page, load.redos);
    if (this.#loading.get(load.number) === load) {
      this.#loading.delete(load.number);
      page.pins = load.pins;
      this.#memory.settle(page);
    }
    load.resolve(page);
  }
}

/** A promise and what settles it; Node 20 has no `Promise.withResolvers`. */
function withResolvers(): Pick<Load, "promise" | "resolve" | "reject"> {
  let resolve!: Load["resolve"], reject!: Load["reject"];
  const promise = new Promise<Page>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
