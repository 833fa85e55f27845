/**
 * One thread's side of the line of those who wait.
 *
 * @module
 */

import { NO_SPACE } from "../allocator.ts";
import { AbortListeners } from "../util/abort_listeners.ts";
import type { AcquireOptions } from "../util/wait_options.ts";
import {
  answer,
  callFirst,
  dismiss,
  drawTicket,
  ENDED,
  FIRST,
  firstTicket,
  isCalled,
  isEmpty,
  leave,
  NO_TICKET,
  ownerOf,
  placeOf,
  WAITED,
} from "./line.ts";
import { maySleep } from "./lock.ts";
import { sleepAsync } from "./sleep_async.ts";

// Whoever waits looks again so often, called or not: who should have called may have died.
const MAX_SLEEP_MS = 50;
// The same where the line is full.
const FULL_SLEEP_MS = 5;
// Between two looks a thread may have been stopped, and all others with it: no more counts.
const MOST_BETWEEN_LOOKS_MS = 100;
// How often one looks that cannot be woken: after 1 ms, then twice as long each time.
const MAX_POLL_MS = 16;

/** Takes what is waited for, if it is there: a handle, or `NO_SPACE`. */
export type Attempt = () => number;

/** One who waits without blocking the thread. */
interface Seat {
  ticket: number;
  readonly attempt: Attempt;
  /** Ends the wait, unless it has ended. */
  readonly end: (settle: () => void) => void;
  readonly resolve: (handle: number) => void;
  readonly reject: (reason: unknown) => void;
}

/** One thread's side of a line. */
export class Waiting {
  readonly #line: Int32Array;
  readonly #owner: number;
  readonly #patience: number;
  /** Calls a function where it may try. */
  readonly #enter: (action: () => void) => void | Promise<void>;
  /** Asynchronous waiters in the order of their tickets; those without one are last. */
  readonly #seats: Set<Seat> = new Set();
  #isServing = false;
  readonly #signals: AbortListeners = new AbortListeners();
  /** The first in line at the last look, and for how long nothing has changed. */
  #seenTicket = NO_TICKET;
  #seenWord = 0;
  #seenAt = 0;
  #seenFor = 0;

  /**
   * Makes one thread's side of a line.
   *
   * @param owner The number of this side, from 1 to 4095.
   * @param patience Milliseconds after which one that was called and is silent is passed over.
   */
  constructor(
    line: Int32Array,
    owner: number,
    patience: number,
    enter: (action: () => void) => void | Promise<void>,
  ) {
    this.#line = line;
    this.#owner = owner;
    this.#patience = patience;
    this.#enter = enter;
  }

  /**
   * Sleeps until its turn has come and an attempt succeeds.
   *
   * @param instead The call for a thread that may not sleep.
   * @returns The handle; `NO_SPACE` after so many milliseconds.
   * @throws {TypeError} This thread may not sleep.
   */
  waitSync(attempt: Attempt, timeout: number = Infinity, instead: string): number {
    const line = this.#line, end = performance.now() + timeout;
    if (!maySleep(line, WAITED)) {
      throw new TypeError(`Expected a thread that may sleep, got one that may not: use ${instead}`);
    }
    if (timeout === 0 || isEmpty(line)) {
      const handle = attempt();
      if (handle !== NO_SPACE || timeout === 0) return handle;
    }
    let ticket = NO_TICKET;
    try {
      while (true) {
        let word = answer(line, ticket);
        if (word === 0) word = answer(line, ticket = drawTicket(line, this.#owner));
        if (ticket !== NO_TICKET && firstTicket(line) === ticket) {
          const handle = attempt();
          if (handle !== NO_SPACE) return handle;
        } else this.#observe(true);
        const left = end - performance.now();
        if (left <= 0) return NO_SPACE;
        if (ticket !== NO_TICKET) {
          Atomics.wait(line, placeOf(ticket), word, Math.min(left, MAX_SLEEP_MS));
        } else {
          Atomics.wait(line, FIRST, Atomics.load(line, FIRST), Math.min(left, FULL_SLEEP_MS));
        }
      }
    } finally {
      leave(line, ticket);
    }
  }

  /**
   * Waits without blocking until its turn has come and an attempt succeeds.
   *
   * @returns The handle; `NO_SPACE` after so many milliseconds. It rejects with the reason of the
   * signal, and with what the attempt throws.
   */
  async waitAsync(attempt: Attempt, { signal, timeout }: AcquireOptions): Promise<number> {
    signal?.throwIfAborted();
    if (timeout === 0) {
      let handle: number = NO_SPACE;
      await this.#enter(() => void (handle = attempt()));
      return handle;
    }
    return await new Promise<number>((resolve, reject) => {
      const end = (settle: () => void) => {
        if (!this.#seats.delete(seat)) return;
        clearTimeout(timer);
        unlisten?.();
        leave(this.#line, seat.ticket);
        settle();
      };
      const unlisten = signal &&
        this.#signals.listen(signal, () => end(() => reject(signal.reason)));
      const timer = timeout === undefined
        ? undefined
        : setTimeout(() => end(() => resolve(NO_SPACE)), timeout);
      const seat: Seat = { ticket: NO_TICKET, attempt, end, resolve, reject };
      this.#seats.add(seat);
      this.#seat();
      if (!this.#isServing) this.#serve();
    });
  }

  /** Serves this thread's seats, one after the other, until nobody waits. */
  async #serve(): Promise<void> {
    const line = this.#line;
    this.#isServing = true;
    for (let idle = 0; this.#seats.size > 0; idle++) {
      const [seat] = this.#seats;
      let word = answer(line, seat.ticket);
      if (word === 0) {
        if (seat.ticket !== NO_TICKET) this.#unseat(); // it was passed over
        this.#seat();
        word = answer(line, seat.ticket);
      }
      if (word !== 0 && firstTicket(line) === seat.ticket) {
        await this.#try(seat);
        if (!this.#seats.has(seat)) {
          idle = -1;
          continue;
        }
      } else this.#observe(false);
      const at = word === 0 ? FIRST : placeOf(seat.ticket);
      const value = word === 0 ? Atomics.load(line, at) : word;
      const longest = word === 0 ? FULL_SLEEP_MS : MAX_SLEEP_MS;
      await sleepAsync(line, at, value, longest, Math.min(2 ** idle, MAX_POLL_MS));
    }
    this.#isServing = false;
  }

  /** Has one try whose turn it is; it may have given up before it may. */
  async #try(seat: Seat): Promise<void> {
    try {
      await this.#enter(() => {
        if (!this.#seats.has(seat)) return;
        const handle = seat.attempt();
        if (handle !== NO_SPACE) seat.end(() => seat.resolve(handle));
      });
    } catch (error) {
      seat.end(() => seat.reject(error));
    }
  }

  /** Draws tickets for those who have none, while there are any. */
  #seat(): void {
    for (const seat of this.#seats) {
      if (seat.ticket !== NO_TICKET) continue;
      seat.ticket = drawTicket(this.#line, this.#owner);
      if (seat.ticket === NO_TICKET) return;
    }
  }

  /** Gives all tickets up, to draw others in the order in which their owners came. */
  #unseat(): void {
    for (const seat of this.#seats) {
      leave(this.#line, seat.ticket);
      seat.ticket = NO_TICKET;
    }
  }

  /** Passes over the first in line, if it was called and has not answered for too long. */
  #observe(blocks: boolean): void {
    const line = this.#line, now = performance.now();
    const ticket = firstTicket(line), word = Atomics.load(line, placeOf(ticket));
    // Who sleeps keeps those of the same thread from answering: they draw other tickets.
    if (blocks && ownerOf(word) === this.#owner) return leave(line, ticket);
    const isSame = ticket === this.#seenTicket && word === this.#seenWord;
    this.#seenFor = isSame
      ? this.#seenFor + Math.min(now - this.#seenAt, MOST_BETWEEN_LOOKS_MS)
      : 0;
    this.#seenTicket = ticket;
    this.#seenWord = word;
    this.#seenAt = now;
    const owner = ownerOf(word), hasEnded = owner !== 0 && owner === Atomics.load(line, ENDED);
    if (hasEnded) Atomics.compareExchange(line, ENDED, owner, 0);
    if (this.#seenFor < this.#patience && !hasEnded) return;
    this.#seenFor = 0;
    if (hasEnded || isCalled(word)) dismiss(line, owner);
    else callFirst(line);
  }
}
