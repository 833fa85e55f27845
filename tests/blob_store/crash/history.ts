/**
 * The oracle: which states a store may be in after a crash, from what was begun and
 * what was acknowledged before.
 *
 * @module
 */

import { type Content, difference, isSame, type State } from "./contents.ts";

/** What is done as a whole or not at all. */
export interface Transaction {
  /** What each key holds afterwards; undefined: nothing. In order, of one key the last holds. */
  readonly changes: readonly (readonly [key: string, content: Content | undefined])[];
  /** A refused one must never be seen. */
  isRefused: boolean;
}

/** Transactions that were begun together; each group begins when the one before has ended. */
interface Group {
  readonly before: State;
  readonly transactions: Transaction[];
}

/** A moment, in what was done. */
export interface Moment {
  /** The last group begun. */
  readonly group: number;
  /** The first group that may be lost in part, and of which a crash takes nothing away. */
  readonly floor: number;
  readonly kept: ReadonlySet<Transaction>;
  /** What was acknowledged of the last group, durable or not: a killed process loses nothing. */
  readonly acknowledged: ReadonlySet<Transaction>;
}

/** What was done to a store since it was opened. */
export class History {
  readonly #groups: Group[];
  #moment: Moment | undefined;
  #floor = 0;
  #kept: ReadonlySet<Transaction> = new Set();
  #acknowledged: ReadonlySet<Transaction> = new Set();

  /** Begins with what the store held when it was opened: that can never be lost again. */
  constructor(state: State) {
    this.#groups = [{ before: state, transactions: [] }];
  }

  /** Where the history stands: the same object until that changes. */
  get moment(): Moment {
    return this.#moment ??= {
      group: this.#groups.length - 1,
      floor: this.#floor,
      kept: this.#kept,
      acknowledged: this.#acknowledged,
    };
  }

  /** What the store holds when every transaction has ended. */
  get state(): State {
    return stateAfter(this.#groups.at(-1)!);
  }

  /** Notes a transaction that is about to begin; one without changes counts for nothing. */
  begin(changes: Transaction["changes"]): Transaction {
    const transaction = { changes, isRefused: false };
    if (changes.length > 0) this.#groups.at(-1)!.transactions.push(transaction);
    return transaction;
  }

  /** Notes that a transaction has ended. */
  acknowledge(transaction: Transaction): void {
    this.#moment = undefined;
    this.#acknowledged = new Set([...this.#acknowledged, transaction]);
  }

  /** Notes what a power loss cannot take away any more, with every group before the last. */
  keep(transactions: Iterable<Transaction>): void {
    this.#moment = undefined;
    const last = this.#groups.length - 1;
    this.#kept = new Set([...this.#floor === last ? this.#kept : [], ...transactions]);
    this.#floor = last;
  }

  /** What has been acknowledged of the last group. */
  get acknowledged(): Iterable<Transaction> {
    return this.#acknowledged;
  }

  /** Begins the next group. */
  endGroup(): void {
    this.#moment = undefined;
    const { transactions } = this.#groups.at(-1)!;
    const isKept = this.#floor === this.#groups.length - 1 &&
      transactions.every((one) => one.isRefused || this.#kept.has(one));
    this.#groups.push({ before: this.state, transactions: [] });
    this.#acknowledged = new Set();
    if (!isKept) return;
    this.#floor = this.#groups.length - 1;
    this.#kept = new Set();
  }

  /**
   * The state that a power loss at a moment may have left, if `actual` is one: what was
   * durable, and of the groups since all up to one, of that one any transactions.
   * Call it when the last group of the moment has ended.
   */
  explain(actual: State, { group, floor, kept }: Moment): boolean {
    for (let g = group; g >= floor; g--) {
      if (this.#isPartOf(g, g === floor ? kept : NONE, actual)) return true;
    }
    return false;
  }

  /** The same for a killed process: nothing that was acknowledged is lost. */
  explainKill(actual: State, { group, acknowledged }: Moment): boolean {
    return this.#isPartOf(group, acknowledged, actual);
  }

  /** What is wrong with a state, by the likeliest explanations of it. */
  complaint(actual: State, { group, floor, kept, acknowledged }: Moment): string {
    const least = this.#groups[floor].transactions.filter((one) => kept.has(one));
    const most = this.#groups[group].transactions.filter((one) => !one.isRefused);
    return [
      `not a state the store can be in: groups ${floor} to ${group},`,
      `${acknowledged.size} of ${most.length} acknowledged.`,
      `Against the least: ${difference(actual, apply(this.#groups[floor].before, least))}.`,
      `Against the most: ${difference(actual, apply(this.#groups[group].before, most))}.`,
    ].join(" ");
  }

  #isPartOf(group: number, required: ReadonlySet<Transaction>, actual: State): boolean {
    const { before, transactions } = this.#groups[group];
    const possible = transactions.filter((one) => !one.isRefused);
    const free = possible.filter((one) => !required.has(one));
    for (let subset = 2 ** free.length - 1; subset >= 0; subset--) {
      const left = new Set(free.filter((_, i) => !(subset >>> i & 1)));
      if (isSame(actual, apply(before, possible.filter((one) => !left.has(one))))) return true;
    }
    return false;
  }
}

const NONE: ReadonlySet<Transaction> = new Set();

function stateAfter({ before, transactions }: Group): State {
  return apply(before, transactions.filter((one) => !one.isRefused));
}

function apply(before: State, transactions: readonly Transaction[]): State {
  const state = new Map(before);
  for (const { changes } of transactions) {
    for (const [key, content] of changes) {
      if (content === undefined) state.delete(key);
      else state.set(key, content);
    }
  }
  return state;
}
