/**
 * A lock between threads that finds out when its holder has died.
 *
 * @module
 */

// The lock is one word, 0 while nobody holds it:
//
//   bit 30           29 ... 12                      11 ... 0
//   | WAITERS | turn of the holder | owner: the holder's number |
//
// The turn counts the times that the holder has taken the lock: whoever sees the same word
// for long knows that it was held all the time, and not taken again and again.
const TURNS = 1_073_741_823; // = (1 << 30) - 1
const WAITERS = 1_073_741_824; // = 1 << 30

/** The largest number of a holder; in the word its mask as well. */
export const MAX_OWNER = 4095; // = (1 << 12) - 1

// A holder needs well under a microsecond for most operations, a look at the word some 6 ns, to
// sleep and be woken many times as much: two threads that never rest are twice as fast as with
// 100 looks on V8.
const SPINS = 1000;
// A waiter sleeps no longer: one that died between letting go and waking it must do no harm.
const MAX_SLEEP_MS = 50;
/** A thread ended, or was stopped for long, while it held a lock. */
export class LockAbandonedError extends Error {
  /** The name of the class. */
  override readonly name: string = "LockAbandonedError";
  /** The number of the worker that held the lock. */
  readonly worker: number;

  /**
   * Makes the error for a holder.
   *
   * @param worker The number of the worker that held the lock.
   * @param milliseconds For how long it was seen to hold it.
   */
  constructor(worker: number, milliseconds: number) {
    super(
      `Cannot take the lock: worker ${worker} has held it for ${milliseconds} ms; ` +
        `once that worker has ended for certain, call recover(${worker})`,
    );
    this.worker = worker;
  }
}

/** How a {@linkcode Lock} deals with a holder that died. */
export interface LockRules {
  /** Milliseconds for which one turn may last until its holder is taken for dead. */
  readonly abandonedAfter: number;
  /** If true, the lock is taken from such a holder; otherwise it is an error. */
  readonly seizes: boolean;
}

/**
 * Mutual exclusion by one word of shared memory. A waiter looks at the word for a short
 * while and then sleeps; on a thread that may not sleep (a page's main one) it keeps looking.
 */
export class Lock {
  readonly rules: LockRules;
  readonly #words: Int32Array;
  readonly #index: number;
  readonly #maySleep: boolean;
  /** The word while this thread holds the lock, or held it last. */
  #mine: number;
  /** Called when the lock was taken from a holder that died. */
  readonly #repair: () => void;

  /**
   * Makes one thread's side of a lock.
   *
   * @param words Shared memory.
   * @param index Which word is the lock.
   * @param owner The number of this thread, from 1 to {@linkcode MAX_OWNER}.
   * @param repair Mends the state behind the lock; called while it is held.
   */
  constructor(
    words: Int32Array,
    index: number,
    owner: number,
    rules: LockRules,
    repair: () => void,
  ) {
    this.#words = words;
    this.#index = index;
    this.#mine = owner;
    this.rules = rules;
    this.#repair = repair;
    this.#maySleep = maySleep(words, index);
  }

  /**
   * Takes the lock.
   *
   * @throws {LockAbandonedError} Its holder died, and it is not to be taken from there.
   */
  acquire(): void {
    const mine = this.#nextTurn();
    if (Atomics.compareExchange(this.#words, this.#index, 0, mine) !== 0) this.#wait();
  }

  /**
   * Lets go, and wakes one that waits.
   *
   * @throws {LockAbandonedError} The lock was taken from this thread.
   */
  release(): void {
    const mine = this.#mine;
    if (Atomics.compareExchange(this.#words, this.#index, mine, 0) !== mine) this.#wake();
  }

  /** Takes the lock from a holder that is known to have died; `false` if it is not held by it. */
  seizeFrom(owner: number): boolean {
    const word = Atomics.load(this.#words, this.#index);
    return (word & MAX_OWNER) === owner && this.#seize(word);
  }

  #nextTurn(): number {
    return this.#mine = (this.#mine + MAX_OWNER + 1) & TURNS;
  }

  #wait(): void {
    const waiter = new Waiter(this.rules.abandonedAfter);
    // Who was woken may not be the only one who slept: its release has to wake the next.
    for (let waiters = 0;; waiters = WAITERS) {
      for (let spins = 0; spins < SPINS; spins++) {
        if (Atomics.load(this.#words, this.#index) === 0 && this.#take(waiters)) return;
      }
      const word = this.attempt(waiter);
      if (word === 0) return;
      if (!this.#maySleep) continue;
      Atomics.wait(this.#words, this.#index, word, Math.min(waiter.patience, MAX_SLEEP_MS));
    }
  }

  /** Takes the lock, which gives 0, or announces a waiter, which gives the word to wait for. */
  attempt(waiter: Waiter): number {
    const words = this.#words, index = this.#index;
    while (true) {
      const word = Atomics.load(words, index);
      if (word === 0) {
        // Others may be waiting, too: who lets go next has to wake them.
        if (this.#take(WAITERS)) return 0;
        continue;
      }
      if (waiter.isOverdue(word & ~WAITERS)) {
        const owner = word & MAX_OWNER;
        if (!this.rules.seizes) throw new LockAbandonedError(owner, this.rules.abandonedAfter);
        if (this.#seize(word)) return 0;
        continue;
      }
      if (
        (word & WAITERS) !== 0 ||
        Atomics.compareExchange(words, index, word, word | WAITERS) === word
      ) return word | WAITERS;
    }
  }

  /** Takes the lock if it is free. */
  #take(waiters: number): boolean {
    const mine = this.#nextTurn() | waiters;
    return Atomics.compareExchange(this.#words, this.#index, 0, mine) === 0;
  }

  /** Takes the lock from its holder, and mends what was left behind. */
  #seize(word: number): boolean {
    const mine = this.#nextTurn() | WAITERS;
    if (Atomics.compareExchange(this.#words, this.#index, word, mine) !== word) return false;
    this.#repair();
    return true;
  }

  /** Lets go of a lock for which others wait. */
  #wake(): void {
    const words = this.#words, index = this.#index, contended = this.#mine | WAITERS;
    if (Atomics.compareExchange(words, index, contended, 0) !== contended) {
      throw new LockAbandonedError(this.#mine & MAX_OWNER, this.rules.abandonedAfter);
    }
    Atomics.notify(words, index, 1);
  }
}

/** One that waits, and what it has seen. */
export class Waiter {
  readonly #abandonedAfter: number;
  #word = 0;
  #deadline = 0;

  constructor(abandonedAfter: number) {
    this.#abandonedAfter = abandonedAfter;
  }

  /** Milliseconds left until the turn that was seen last counts as abandoned. */
  get patience(): number {
    return Math.max(0, this.#deadline - performance.now());
  }

  /** Tells whether the turn that this word names has been going on for too long. */
  isOverdue(word: number): boolean {
    if (word === this.#word) return performance.now() >= this.#deadline;
    this.#word = word;
    this.#deadline = performance.now() + this.#abandonedAfter;
    return false;
  }
}

/** Tells whether this thread may sleep: the main one of a page may not. */
export function maySleep(words: Int32Array, index: number): boolean {
  try {
    Atomics.wait(words, index, -1, 0); // not what the word ever is: it returns at once
    return true;
  } catch {
    return false;
  }
}
