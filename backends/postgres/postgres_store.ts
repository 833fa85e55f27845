/**
 * Pages of a table in PostgreSQL as a backing store.
 *
 * @module
 */

import {
  type AsyncBackingStore,
  checkBytes,
  checkRange,
  StorageError,
  type StorageOperation,
} from "../../src/arena/backing_store.ts";
import { checkIntact } from "../../src/util/check_intact.ts";
import { checkInteger, describe } from "../../src/util/check_integer.ts";
import { isZero, newPage, type Page, type PageMemory } from "./page_memory.ts";
import type { PageLoader } from "./page_loader.ts";
import type { PostgresClient } from "./client.ts";
import { openStore, type PostgresStoreOptions, type ReadyStore } from "./open_store.ts";
import { type PostgresTables, statementsFor } from "./sql.ts";
import { ask, senderOf, sqlStateOf } from "./client.ts";
import { applyRedo, decodeRedo, encodeWrites, type Write, WRITE_HEAD } from "./redo.ts";
import type { StoreLink } from "./store_link.ts";

/** Most bytes of a commit that becomes a redo row; above, pages cost less. */
const MAX_REDO = 6144;
/** Redo rows, and their bytes, at which they are folded into pages. */
const MAX_REDO_ROWS = 1000, MAX_REDO_BYTES: number = 1_048_576; // = 2 ** 20
/** Bytes of the pages behind them. */
const MAX_UNFOLDED: number = 8_388_608; // = 2 ** 23
/** Bytes of pages in a statement; as many that are dirty are sent before the flush. */
const MAX_STATEMENT: number = 16_777_216; // = 2 ** 24
/** Bytes that one piece of a large write has. */
const MAX_PIECE: number = 4_194_304; // = 2 ** 22
/** So many bytes in pages are worth statistics. */
const ANALYZE_FROM: number = 1_048_576; // = 2 ** 20

/**
 * A backing store in PostgreSQL: 8 KiB pages of a table, which `BlobStore.open` and `Arena` take as
 * they take a file.
 *
 * - **Durable** is what was flushed: as durable as `synchronous_commit` and the standbys make it.
 * - **One writer.** Each opening for writing takes the store over: the writer before it can commit
 *   nothing from then on, wherever it is, and gets a {@linkcode StoreFencedError}.
 * - **Writes stay in memory until `flush`**, which sends them as one statement: a round trip and a
 *   transaction. 16 MiB that wait are sent earlier. A crash of the process takes what was not
 *   flushed.
 * - **A commit whose answer was lost is resolved**: the store asks the server whether it was
 *   carried out, for up to `retryMs`.
 * - **Reads of one turn** of the event loop are one statement; pages read before are cached.
 * - **Readers** on other machines open it with `readOnly`; `reload` sees what was committed since.
 *
 * The client is the caller's: it is neither opened nor closed here. A `Pool` of `pg` needs a
 * listener for `error`, or the process ends when the server does. Do not pass the client of a
 * transaction: its commits would end with that.
 *
 * A read or write costs O(pages touched); what is not in memory takes one round trip.
 *
 * @example
 * ```ts
 * import { BlobStore } from "@suballoc/offset-allocator/blob-store/core";
 * import { type PostgresClient, PostgresStore } from "@suballoc/offset-allocator/postgres";
 *
 * async function keep(pool: PostgresClient) { // new pg.Pool(), postgres(), Bun.SQL, PGlite
 *   await PostgresStore.install(pool); // once: makes three tables
 *   await using pages = await PostgresStore.open(pool, "photos", { create: true });
 *   await using blobs = await BlobStore.open(pages, { create: true });
 *   await blobs.put("cats/1.jpg", new Uint8Array([0xff, 0xd8]));
 * }
 * ```
 */
export class PostgresStore implements AsyncBackingStore {
  readonly #link: StoreLink;
  readonly #loader: PageLoader;
  readonly #memory: PageMemory;
  readonly #pageSize: number;
  #byteLength: number;
  /** The length that the server has. */
  #committedLength: number;
  /** Pages from this one on have no row, or one that the next commit removes. */
  #end: number;
  /** The first page that was cut off since the last commit. */
  #cut: number | undefined;
  /** Writes since the last commit; undefined where they are more than a redo row takes. */
  #writes: Write[] | undefined = [];
  #writesLength = 0;
  #redoRows: number;
  #redoLength: number;
  #dirtyPages = 0;
  /** Writes and resizes that are under way. */
  readonly #underWay: Set<Promise<void>> = new Set();
  /** Ends, never rejected, with the last resize and the last commit. */
  #resizes: Promise<void> = Promise.resolve();
  #commits: Promise<void> = Promise.resolve();
  /** Why nothing can be written any more. */
  #failure: StorageError | undefined;
  #closed: Promise<void> | undefined;
  #renewal: ReturnType<typeof setInterval> | undefined;
  /** Bytes that pages must still get before they are worth statistics; 0: they have them. */
  #untilAnalyze: number;
  #analysis: Promise<void> = Promise.resolve();

  private constructor(ready: ReadyStore) {
    if (typeof ready?.link !== "object") {
      const got = describe(ready);
      throw new TypeError(
        `Expected PostgresStore.open(client, name), got new PostgresStore(${got})`,
      );
    }
    const { link, opening, memory, loader } = ready;
    this.#link = link;
    this.#loader = loader;
    this.#memory = memory;
    this.#pageSize = opening.pageSize;
    this.#byteLength = this.#committedLength = opening.byteLength;
    this.#end = ready.end;
    this.#redoRows = ready.redoRows;
    this.#redoLength = ready.redoLength;
    this.#untilAnalyze = opening.byteLength < ANALYZE_FROM ? ANALYZE_FROM : 0;
    if (!link.isWriter) return;
    const { renew } = link.statements;
    this.#renewal = setInterval(
      () => void link.tell(renew, link.own).catch(() => {}),
      ready.renewMs,
    );
    (this.#renewal as { unref?: () => void }).unref?.();
  }

  /**
   * Opens a store by its name, in tables that {@linkcode PostgresStore.install} made. For writing
   * it takes three round trips, with `readOnly` two.
   *
   * @param client A `Client` or `Pool` of `pg`, a client of `postgres`, a `Bun.SQL` or a PGlite.
   * @param name The name of the store: any text.
   * @throws {StorageError} There is no such store, the tables are missing, or the server refused.
   * @throws {StoreLockedError} A writer that is alive holds it, and `takeOver` was not asked for.
   * @throws {TypeError | RangeError} An argument is not what it must be.
   */
  static async open(
    client: PostgresClient,
    name: string,
    options: PostgresStoreOptions = {},
  ): Promise<PostgresStore> {
    return new PostgresStore(await openStore(client, name, options));
  }

  /**
   * Makes the tables where they are missing, by the statements of {@linkcode PostgresStore.sql}.
   *
   * @throws {StorageError} The server refused.
   * @throws {TypeError | RangeError} An argument is not what it must be.
   */
  static async install(client: PostgresClient, tables: PostgresTables = {}): Promise<void> {
    const send = senderOf(client);
    for (const text of statementsFor(tables).install) {
      try {
        await send(text, []);
      } catch (cause) {
        // Another one makes the same table at the same moment: it is there now.
        if (!["23505", "42P07"].includes(sqlStateOf(cause) ?? "")) {
          throw failure("open", 0, 0, cause);
        }
      }
    }
  }

  /**
   * The definitions of the tables as one text, for a migration.
   *
   * @throws {TypeError | RangeError} A name is none.
   */
  static sql(tables: PostgresTables = {}): string {
    return statementsFor(tables).install.map((text) => `${text};\n`).join("\n");
  }

  /**
   * Removes a store and all that is in it. A writer that has it open fails at its next commit.
   *
   * @returns True if there was such a store.
   * @throws {StorageError} The server refused.
   * @throws {TypeError | RangeError} An argument is not what it must be.
   */
  static async remove(
    client: PostgresClient,
    name: string,
    tables: PostgresTables = {},
  ): Promise<boolean> {
    const { remove } = statementsFor(tables);
    try {
      return (await ask(senderOf(client), 0, remove, [name])).length > 0;
    } catch (cause) {
      throw failure("open", 0, 0, cause);
    }
  }

  /** Bytes in the store, as of the opening and every resize and reload since. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** Bytes of a page. */
  get pageSize(): number {
    return this.#pageSize;
  }

  /** Which opening for writing this is; a reader's is that of the writer it last saw. */
  get epoch(): number {
    return this.#link.epoch;
  }

  /** How many commits the store has had, as far as this opening knows. */
  get version(): number {
    return this.#link.version;
  }

  /** Fills `into` with the bytes from `offset` on; pages that are not in memory are asked for. */
  async read(offset: number, into: Uint8Array): Promise<void> {
    this.#check("read", offset, into, "into");
    const size = this.#pageSize, end = offset + into.length;
    const loads: Promise<void>[] = [];
    for (let n = Math.floor(offset / size); n * size < end; n++) {
      const from = Math.max(offset, n * size), to = Math.min(end, (n + 1) * size);
      const copy = ({ bytes }: Page) =>
        into.set(bytes.subarray(from - n * size, to - n * size), from - offset);
      const page = this.#memory.get(n);
      if (page !== undefined) copy(page);
      else if (n >= this.#end) into.fill(0, from - offset, to - offset);
      else loads.push(this.#loader.load(n, false).then(copy));
    }
    if (loads.length === 0) return;
    try {
      await Promise.all(loads);
    } catch (cause) {
      throw failure("read", offset, into.length, cause);
    }
  }

  /** Writes `data` from `offset` on: into memory, until `flush`. */
  async write(offset: number, data: Uint8Array): Promise<void> {
    this.#check("write", offset, data, "data");
    await this.#track(this.#writePieces(offset, data), "write", offset, data.length);
  }

  /** Makes the store this long at the next flush; new bytes are zero. */
  async resize(byteLength: number): Promise<void> {
    checkInteger("byteLength", byteLength);
    this.#checkUsable("resize", 0, byteLength);
    const turn = this.#resizes.then(() => this.#resize(byteLength));
    this.#resizes = turn.catch(() => {});
    await this.#track(turn, "resize", 0, byteLength);
  }

  /**
   * Commits what was written so far. Nothing to commit costs nothing.
   *
   * @throws {StoreFencedError} Another writer took the store: nothing was committed.
   * @throws {StoreWentBackError} The server lost commits that it had acknowledged.
   * @throws {StorageError} The server refused, or did not answer within `retryMs`. Where it did not
   * answer, nobody knows whether the commit was carried out, and no write follows.
   */
  async flush(): Promise<void> {
    this.#checkUsable("flush", 0, 0);
    if (!this.#link.isWriter) return;
    await Promise.allSettled(this.#underWay);
    await this.#commit();
  }

  /**
   * A reader sees what was committed before the call, and forgets only what has changed. A writer
   * has nothing to look at.
   *
   * @throws {StoreWentBackError} The server has an earlier state than this reader.
   */
  async reload(): Promise<void> {
    this.#checkUsable("read", 0, 0);
    if (this.#link.isWriter) return;
    try {
      await this.#reload();
    } catch (cause) {
      throw failure("read", 0, 0, cause);
    }
  }

  /**
   * Commits what was written, and gives the store to the next writer. The client stays open.
   * Closing again does nothing.
   *
   * @throws {StorageError} Writes could not be committed.
   */
  close(): Promise<void> {
    return this.#closed ??= this.#close();
  }

  /** Closes the store. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#underWay);
    try {
      if (this.#link.isWriter && this.#whyNot() === undefined) await this.#commit();
    } finally {
      clearInterval(this.#renewal);
      await this.#analysis;
      const { release } = this.#link.statements;
      // Where it fails, the next writer waits until this one has been silent for long enough.
      if (this.#link.isWriter) await this.#link.tell(release, this.#link.own).catch(() => {});
    }
  }

  #check(operation: "read" | "write", offset: number, bytes: Uint8Array, name: string): void {
    checkBytes(name, bytes);
    checkIntact(name, bytes);
    checkInteger("offset", offset);
    this.#checkUsable(operation, offset, bytes.length);
    checkRange(operation, offset, bytes.length, this.#byteLength);
  }

  #checkUsable(operation: StorageOperation, offset: number, length: number): void {
    if (this.#closed) throw new StorageError(operation, offset, length, "the store is closed");
    if (operation === "read") {
      if (this.#link.failure !== undefined) throw this.#link.failure;
      return;
    }
    const isWrite = operation === "write" || operation === "resize";
    if (isWrite && !this.#link.isWriter) {
      throw new StorageError(operation, offset, length, "the store was opened read-only");
    }
    const cause = this.#whyNot();
    if (cause === undefined) return;
    if (cause === this.#link.failure) throw cause;
    const reason = "an earlier commit has an unknown outcome: reopen the store";
    throw new StorageError(operation, offset, length, reason, { cause });
  }

  /** Why nothing can be committed. */
  #whyNot(): StorageError | undefined {
    return this.#link.failure ?? this.#failure;
  }

  /** Notes a change until it ends: a flush waits for it. */
  async #track(
    change: Promise<void>,
    operation: StorageOperation,
    offset: number,
    length: number,
  ): Promise<void> {
    this.#underWay.add(change);
    try {
      await change;
    } catch (cause) {
      throw failure(operation, offset, length, cause);
    } finally {
      this.#underWay.delete(change);
    }
  }

  async #writePieces(offset: number, data: Uint8Array): Promise<void> {
    for (let done = 0; done < data.length;) {
      // Pieces end where pages do, so that only the ends of the whole are read.
      const start = offset + done, end = start + MAX_PIECE;
      const length = Math.min(data.length - done, end - end % this.#pageSize - start);
      await this.#writePiece(start, data.subarray(done, done + length));
      done += length;
      if (this.#dirtyPages * this.#pageSize > MAX_STATEMENT) await this.#commit();
    }
  }

  async #writePiece(offset: number, data: Uint8Array): Promise<void> {
    const size = this.#pageSize, end = offset + data.length;
    const first = Math.floor(offset / size), last = Math.floor((end - 1) / size);
    const partial = new Set<number>();
    if (offset % size !== 0) partial.add(first);
    if (end % size !== 0) partial.add(last);
    const held = await this.#holdAll(partial);
    try {
      checkRange("write", offset, data.length, this.#byteLength); // it may have become shorter
      for (let n = first; n <= last; n++) {
        const from = Math.max(offset, n * size), to = Math.min(end, (n + 1) * size);
        this.#change(n).bytes.set(data.subarray(from - offset, to - offset), from - n * size);
      }
      this.#note(offset, data);
    } finally {
      for (const page of held) this.#release(page);
    }
  }

  async #holdAll(numbers: ReadonlySet<number>): Promise<Page[]> {
    const answers = await Promise.allSettled([...numbers].map((n) => this.#hold(n)));
    const held = answers.flatMap((answer) => answer.status === "fulfilled" ? [answer.value] : []);
    if (held.length === answers.length) return held;
    for (const page of held) this.#release(page);
    throw answers.find((answer) => answer.status === "rejected")!.reason;
  }

  /** A page that stays in memory until it is released. */
  #hold(number: number): Page | Promise<Page> {
    let page = this.#memory.get(number);
    if (page === undefined && number < this.#end) return this.#loader.load(number, true);
    page ??= newPage(number, this.#pageSize);
    page.pins++;
    this.#memory.settle(page);
    return page;
  }

  #release(page: Page): void {
    page.pins--;
    if (!page.isCut) this.#memory.settle(page);
  }

  /** A page that is about to change. One that is not in memory will be written whole. */
  #change(number: number): Page {
    const page = this.#memory.get(number) ?? newPage(number, this.#pageSize);
    this.#loader.supersede(page);
    if (!page.isDirty) this.#dirtyPages++;
    page.isDirty = true;
    this.#memory.settle(page);
    return page;
  }

  /** Notes a write for a redo row, as long as that is small enough. */
  #note(offset: number, data: Uint8Array): void {
    if (this.#writes === undefined) return;
    this.#writesLength += WRITE_HEAD + data.length;
    if (this.#writesLength > MAX_REDO) this.#writes = undefined;
    // A slice of a Buffer copies nothing.
    else this.#writes.push({ offset, bytes: new Uint8Array(data) });
  }

  async #resize(byteLength: number): Promise<void> {
    if (byteLength >= this.#byteLength) {
      this.#byteLength = byteLength;
      return;
    }
    const size = this.#pageSize, kept = byteLength % size, tail = Math.floor(byteLength / size);
    const page = kept === 0 ? undefined : await this.#hold(tail);
    this.#byteLength = byteLength;
    if (page !== undefined) {
      this.#change(tail).bytes.fill(0, kept);
      this.#release(page);
    }
    const first = Math.ceil(byteLength / size);
    this.#loader.cut(first);
    this.#memory.cut(first);
    this.#dirtyPages = this.#memory.dirty().length;
    this.#cut = Math.min(first, this.#cut ?? first);
    this.#end = Math.min(first, this.#end);
    this.#writes = undefined; // a redo row cuts nothing off
  }

  /** Commits, after the commits that were asked for before. */
  #commit(): Promise<void> {
    const turn = this.#commits.then(() => this.#commitNow());
    this.#commits = turn.catch(() => {});
    return turn;
  }

  async #commitNow(): Promise<void> {
    const dirty = this.#memory.dirty(), isSame = this.#byteLength === this.#committedLength;
    const writes = this.#writes;
    if (dirty.length === 0 && isSame && this.#cut === undefined && writes?.length === 0) return;
    if (this.#whyNot() !== undefined) throw this.#whyNot();
    this.#writes = [];
    this.#writesLength = 0;
    try {
      const unfolded = this.#memory.unfolded();
      if (writes !== undefined && this.#isSmall(dirty.length + unfolded.length)) {
        await this.#commitRedo(dirty, encodeWrites(writes));
      } else {
        await this.#commitPages(unfolded, dirty.filter(({ isUnfolded }) => !isUnfolded));
      }
    } catch (cause) {
      this.#writes = undefined;
      const error = failure("flush", 0, 0, cause);
      // What the server refused was not carried out; where it did not answer nobody knows.
      if (sqlStateOf(cause) === undefined) this.#failure ??= error;
      throw error;
    }
  }

  /** Tells whether a commit becomes a redo row, rather than pages with all redo rows folded in. */
  #isSmall(pages: number): boolean {
    return this.#cut === undefined && pages * this.#pageSize <= MAX_UNFOLDED &&
      this.#redoRows < MAX_REDO_ROWS &&
      this.#redoLength < MAX_REDO_BYTES;
  }

  async #commitRedo(dirty: readonly Page[], writes: Uint8Array): Promise<void> {
    for (const page of dirty) page.isUnfolded = true;
    await this.#send(this.#link.statements.commitRedo, dirty, [writes]);
    this.#redoRows++;
    this.#redoLength += writes.length;
  }

  /**
   * Sends pages. The first statement removes the redo rows: it has all pages that are behind them.
   */
  async #commitPages(unfolded: readonly Page[], dirty: readonly Page[]): Promise<void> {
    const most = MAX_STATEMENT / this.#pageSize, pages = [...unfolded, ...dirty];
    for (let from = 0, to = Math.max(most, unfolded.length); from === 0 || from < pages.length;) {
      await this.#commitPart(pages.slice(from, to).filter(({ isCut }) => !isCut));
      from = to;
      to += most;
    }
  }

  async #commitPart(pages: readonly Page[]): Promise<void> {
    const size = this.#pageSize, { commitPages, commitCut } = this.#link.statements;
    const sent = pages.filter((page) => page.number < this.#end || !isZero(page));
    const bytes = new Uint8Array(sent.length * size);
    sent.forEach((page, at) => bytes.set(page.bytes, at * size));
    const values = [sent.map(({ number }) => number).join(","), bytes, String(size)];
    const cut = this.#cut, unfolded = pages.filter(({ isUnfolded }) => isUnfolded);
    if (cut !== undefined) values.push(String(cut));
    this.#cut = undefined;
    for (const page of unfolded) page.isUnfolded = false;
    try {
      await this.#send(cut === undefined ? commitPages : commitCut, pages, values);
    } catch (error) {
      for (const page of unfolded) page.isUnfolded = true;
      if (cut !== undefined) this.#cut = Math.min(cut, this.#cut ?? cut);
      throw error;
    }
    this.#redoRows = this.#redoLength = 0;
    for (const page of sent) {
      if (!page.isCut) this.#end = Math.max(this.#end, page.number + 1);
    }
    this.#count(bytes.length);
  }

  /** Sends a commit with the changes of some pages, which are dirty again where it fails. */
  async #send(
    text: string,
    pages: readonly Page[],
    values: readonly (string | Uint8Array)[],
  ): Promise<void> {
    const byteLength = this.#byteLength;
    for (const page of pages) {
      if (page.isDirty) this.#dirtyPages--;
      page.isDirty = false;
      page.isSent = true;
    }
    let hasFailed = true;
    try {
      await this.#link.commit({ text, byteLength, values });
      this.#committedLength = byteLength;
      hasFailed = false;
    } finally {
      for (const page of pages) {
        page.isSent = false;
        if (page.isCut) continue;
        if (hasFailed && !page.isDirty) this.#dirtyPages++;
        page.isDirty ||= hasFailed;
        this.#memory.settle(page);
      }
    }
  }

  /** Once there is enough in the pages, makes statistics of them. */
  #count(byteLength: number): void {
    if (this.#untilAnalyze === 0) return;
    this.#untilAnalyze = Math.max(0, this.#untilAnalyze - byteLength);
    if (this.#untilAnalyze > 0) return;
    // Whoever may not make them waits for those of the server.
    this.#analysis = this.#link.tell(this.#link.statements.analyze, []).catch(() => {});
  }

  async #reload(): Promise<void> {
    const link = this.#link, loader = this.#loader, known = link.version;
    loader.detach();
    const pages = [...this.#memory.idle()];
    const rows = await link.ask(link.statements.changes, [
      String(known),
      pages.map(({ number }) => number).join(","),
      pages.map(({ version }) => version).join(","),
    ]);
    const of = (kind: string) => rows.filter((row) => row.kind === kind);
    const [state] = of("store");
    link.check(state, known);
    if (Number(state.version) < link.version) return; // another reload was quicker
    for (const { number } of of("page")) this.#memory.drop(Number(number));
    const first = of("first")[0].number,
      fresh = of("redo")
        .map((row) => decodeRedo(Number(row.version), row.writes as Uint8Array))
        .filter(({ version }) => version > link.version)
        .sort((a, b) => a.version - b.version);
    for (const page of this.#memory.idle()) applyRedo(page, fresh);
    // Rows before the first that is left are in the pages.
    const kept = first === null ? [] : loader.redos.filter((redo) => redo.version >= Number(first));
    loader.redos = [...kept, ...fresh];
    loader.detach(); // what was asked for before knows older redo rows
    link.version = Number(state.version);
    link.epoch = Number(state.epoch);
    link.session = String(state.session);
    this.#byteLength = this.#committedLength = Number(state.number);
    this.#end = Infinity;
  }
}

/** A failure as an error of a store. */
function failure(
  operation: StorageOperation,
  offset: number,
  length: number,
  cause: unknown,
): StorageError {
  if (cause instanceof StorageError) return cause;
  const reason = cause instanceof Error ? cause.message || cause.name : String(cause);
  return new StorageError(operation, offset, length, reason, { cause });
}
