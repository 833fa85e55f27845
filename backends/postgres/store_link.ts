/**
 * The link of an opening of a store to its row in the server: who may write, and which commit the
 * last one was.
 *
 * @module
 */

import { StorageError } from "../../src/arena/backing_store.ts";
import { StoreFencedError } from "../../src/blob_store/blob_store_errors.ts";
import { ask, mayPass, Patience, type Row, type Send } from "./client.ts";
import type { Statements } from "./sql.ts";

/**
 * The server knows an earlier state of the store than this opening does: it failed over to a
 * standby that lagged, or a backup was restored. Acknowledged commits between the two versions are
 * lost. Nothing more is written or read, until the store is opened again.
 */
export class StoreWentBackError extends StorageError {
  /** The name of the class. */
  override readonly name: string = "StoreWentBackError";
  /** The last commit that this opening knows of. */
  readonly ours: number;
  /** The last commit that the server has. */
  readonly theirs: number;

  /**
   * Makes the error.
   *
   * @param ours The last commit that this opening knows of.
   * @param theirs The last commit that the server has.
   */
  constructor(ours: number, theirs: number) {
    const lost = `the server went back to version ${theirs} from ${ours}`;
    super("read", 0, 0, `${lost}, what was written in between is lost: reopen the store`);
    this.ours = ours;
    this.theirs = theirs;
  }
}

/** State of a row as its opening knows it. */
export interface Opening {
  readonly id: string;
  readonly session: string;
  readonly epoch: number;
  readonly version: number;
  readonly byteLength: number;
  readonly pageSize: number;
}

/** An opening as a row says it. */
export function openingOf(row: Row): Opening {
  return {
    id: String(row.id),
    session: String(row.session ?? ""),
    epoch: Number(row.epoch),
    version: Number(row.version),
    byteLength: Number(row.byte_length),
    pageSize: Number(row.page_size),
  };
}

/** Statements that commit. */
export interface Commit {
  readonly text: string;
  readonly byteLength: number;
  /** The values from `$6` on. */
  readonly values: readonly (string | Uint8Array)[];
}

/** The row of a store, as one opening sees it. */
export class StoreLink {
  readonly statements: Statements;
  readonly isWriter: boolean;
  epoch: number;
  /** The last commit that is known. */
  version: number;
  /** The random name of the opening that wrote last. */
  session: string;
  /** Why nothing works any more: another writer, or another history. */
  failure: StorageError | undefined;
  readonly #send: Send;
  readonly #patience: number;
  readonly #id: string;

  constructor(
    send: Send,
    statements: Statements,
    patience: number,
    isWriter: boolean,
    opening: Opening,
  ) {
    this.#send = send;
    this.#patience = patience;
    this.statements = statements;
    this.isWriter = isWriter;
    this.#id = opening.id;
    this.epoch = opening.epoch;
    this.version = opening.version;
    this.session = opening.session;
  }

  /** Sends a statement about this store, whose `$1` is the store, until it is answered. */
  async ask(text: string, values: readonly (string | Uint8Array)[]): Promise<Row[]> {
    return await ask(this.#send, this.#patience, text, [this.#id, ...values]);
  }

  /** Sends a statement once: nothing depends on it. */
  async tell(text: string, values: readonly string[]): Promise<void> {
    await this.#send(text, values);
  }

  /** The values of a statement about this opening. */
  get own(): [string, string] {
    return [this.#id, this.session];
  }

  /**
   * Throws unless the state that came with an answer follows what was known when it was asked for.
   *
   * @param known The version that was known then: commits may be under way beside a read.
   * @throws {StoreFencedError} Another writer took the store.
   * @throws {StoreWentBackError} The server lost commits.
   * @throws {StorageError} The store was removed.
   */
  check(state: Row | undefined, known: number): void {
    if (this.failure !== undefined) throw this.failure;
    if (state === undefined) {
      throw this.#fail(new StorageError("read", 0, 0, "the store was removed from the database"));
    }
    const epoch = Number(state.epoch), version = Number(state.version);
    const isOurs = state.session === this.session && epoch === this.epoch;
    // A later opening has committed nothing less than this one: if it has, history has changed.
    if (version < known && (isOurs || !this.isWriter || epoch <= this.epoch)) {
      throw this.#fail(new StoreWentBackError(known, version));
    }
    if (this.isWriter && !isOurs) throw this.#fail(new StoreFencedError(this.epoch, epoch));
  }

  #fail(failure: StorageError): StorageError {
    return this.failure ??= failure;
  }

  /**
   * Commits, in one round trip where nothing fails. `version` in its condition makes it idempotent:
   * where the answer is lost, the row tells whether it was carried out.
   *
   * @throws {StorageError} Nobody knows whether it was, or whoever writes now is another one.
   * @throws The error of the server, if it was not carried out.
   */
  async commit({ text, byteLength, values }: Commit): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    const [id, session] = this.own, before = this.version, length = String(byteLength);
    const all = [id, session, String(this.epoch), String(before), length, ...values];
    let isUnknown = false;
    try {
      for (const pauses = new Patience(this.#patience);;) {
        let failure: unknown = new Error("the server did not carry out a commit");
        try {
          const [row] = await this.#send(text, all);
          if (row !== undefined) break;
        } catch (error) {
          isUnknown ||= mayPass(error);
          await pauses.waitAfter(failure = error);
        }
        // It waits for the statement, if that still runs in the server.
        const [state] = await this.ask(this.statements.state, []);
        this.check(state, before);
        if (Number(state.version) === before + 1) break;
        await pauses.waitAfter(failure);
      }
    } catch (cause) {
      if (!isUnknown || cause instanceof StorageError) throw cause;
      const reason = cause instanceof Error ? cause.message || cause.name : String(cause);
      throw new StorageError("flush", 0, 0, `the outcome of a commit is unknown: ${reason}`, {
        cause,
      });
    }
    this.version = before + 1;
  }
}
