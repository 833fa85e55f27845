/**
 * The free and the used slots of a pool in shared memory: a stack without a lock.
 *
 * @module
 */

import { NotAllocatedError } from "../allocator.ts";
import { expectInvariant } from "../util/expect_invariant.ts";
import { callFirst } from "./line.ts";
import { maskFor } from "../util/slot_layout.ts";

// The free slots are a stack (R. K. Treiber, 1986): HEAD names the one on top, each links to
// the one below. To take the top one, a thread reads HEAD, then the link of that slot, and
// puts the link in HEAD if that is still what it was. It may be that, although the slot was
// taken and given back meanwhile and its link is another: ABA. Hence a tag, one more at each
// change of HEAD:
//
//   HEAD, 64 bits:   | tag: 39 bits | slot on top + 1, 0 for none: 25 bits |
//
// For a mistake the head would have to change exactly a multiple of 2^39 times between that
// read and that write, which is 15 hours of nothing but changes. A head of 32 bits would leave
// a tag of 7 to 31 bits: it comes around while a thread waits for its turn on the CPU.
//
// A BigInt costs more than the exchange itself: each side remembers the head that it saw or
// made last, and which slot is on top there, and begins with that. Where it is out of date the
// exchange fails, and tells what is there.
const TAG = 33_554_432; // = 2 ** 25; TOP_BITS is 25

/** One worker's side of the slots. */
export class SharedSlots {
  /** One element: HEAD. */
  readonly #head: BigInt64Array;
  /** By slot: its handle while it is in use, else minus one minus the next one. */
  readonly #handles: Int32Array;
  /** By free slot: the one below it plus one, or 0. */
  readonly #links: Int32Array;
  /** Waiters for a slot: see line.ts. */
  readonly #line: Int32Array;
  readonly #mask: number;
  /** The head as it was last. */
  #seen: bigint;
  /** The slot on top there plus one, or 0. */
  #top: number;

  /** Takes part in slots that are there, or are to be laid out by `layOut`. */
  constructor(head: BigInt64Array, handles: Int32Array, links: Int32Array, line: Int32Array) {
    this.#head = head;
    this.#handles = handles;
    this.#links = links;
    this.#line = line;
    this.#mask = maskFor(handles.length);
    this.#seen = Atomics.load(head, 0);
    this.#top = linkOf(this.#seen);
  }

  /** True if somebody may be waiting for a slot. */
  get isWaitedFor(): boolean {
    const WAITED = 0;
    return Atomics.load(this.#line, WAITED) !== 0;
  }

  /** Number of slots. */
  get count(): number {
    return this.#handles.length;
  }

  /** Makes all slots free; nobody uses them yet. */
  layOut(): void {
    for (let slot = 0; slot < this.count; slot++) this.#handles[slot] = ~slot;
    this.restack();
  }

  /** Stacks all free slots again, the lowest on top; nobody else may use them at that time. */
  restack(): void {
    let top = 0;
    for (let slot = this.count - 1; slot >= 0; slot--) {
      if (this.#handles[slot] >= 0) continue;
      this.#links[slot] = top;
      top = slot + 1;
    }
    while (!this.#replace(top));
  }

  /** Takes a slot off the stack; -1 for none. It is in nobody's hands until `take`. */
  pop(): number {
    while (true) {
      const top = this.#top;
      if (top === 0) {
        if (this.#replace(0)) return -1; // none indeed
      } else if (this.#replace(this.#links[top - 1])) return top - 1;
    }
  }

  /**
   * Takes from `least` to `most` slots off the stack; returns how many there were. Fewer than
   * `least` stay there.
   */
  popMany(least: number, most: number, into: { [index: number]: number }): number {
    const links = this.#links;
    while (true) {
      const top = this.#top;
      // Where others change these links they change the head as well.
      let rest = top, count = 0;
      for (; count < most && rest !== 0; count++) {
        into[count] = rest - 1;
        rest = links[rest - 1];
      }
      if (this.#replace(count < least ? top : rest)) return count;
    }
  }

  /** Puts `count` free slots on the stack, from `start` on. */
  pushMany(slots: ArrayLike<number>, start: number, count: number): void {
    if (count === 0) return;
    const links = this.#links, last = start + count - 1;
    for (let i = start; i < last; i++) links[slots[i]] = slots[i + 1] + 1;
    this.#pushChain(slots[start], slots[last]);
  }

  /** Puts a free slot on the stack. */
  push(slot: number): void {
    this.#pushChain(slot, slot);
  }

  #pushChain(top: number, bottom: number): void {
    const WAITED = 0;
    do this.#links[bottom] = this.#top; while (!this.#replace(top + 1));
    // After the slot is there: who waits says so first, and then looks whether there is one.
    if (Atomics.load(this.#line, WAITED) !== 0) callFirst(this.#line);
  }

  /** Puts another slot (plus one, or 0) on top, if the head is what it was last. */
  #replace(top: number): boolean {
    const head = this.#seen, next = head + BigInt(TAG + top - this.#top);
    const seen = Atomics.compareExchange(this.#head, 0, head, next);
    if (seen === head) {
      this.#seen = next;
      this.#top = top;
      return true;
    }
    this.#seen = seen;
    this.#top = linkOf(seen);
    return false;
  }

  /** Marks a slot that is off the stack as in use; returns its handle. */
  take(slot: number): number {
    const handle = ~this.#handles[slot];
    this.#handles[slot] = handle;
    return handle;
  }

  /**
   * Marks a slot as free, which is not on the stack yet; returns it. Of several workers that do
   * so at once, one succeeds.
   *
   * @throws {NotAllocatedError} `handle` names no slot in use.
   */
  free(handle: number): number {
    const HANDLE_LIMIT = 1_073_741_824;
    const slot = this.find(handle), next = handle + this.#mask + 1;
    const free = ~(next < HANDLE_LIMIT ? next : slot);
    if (Atomics.compareExchange(this.#handles, slot, handle, free) === handle) return slot;
    throw new NotAllocatedError(handle);
  }

  /**
   * The slot that a handle names.
   *
   * @throws {NotAllocatedError} `handle` names no slot in use.
   */
  find(handle: number): number {
    if (typeof handle === "number" && handle >= 0) {
      const slot = handle & this.#mask;
      if (this.#handles[slot] === handle) return slot;
    }
    throw new NotAllocatedError(handle);
  }

  /** The handles of the slots in use. */
  *inUse(): Generator<number, void, void> {
    for (const handle of this.#handles) if (handle >= 0) yield handle;
  }

  /** Throws unless every slot is either in use or on the stack, once. */
  check(): void {
    const stacked = new Uint8Array(this.count);
    for (let slot = linkOf(this.#head[0]) - 1; slot >= 0; slot = this.#links[slot] - 1) {
      expectInvariant(slot < this.count, "a link leads out of the pool");
      expectInvariant(stacked[slot]++ === 0, "the stack does not end");
    }
    this.#handles.forEach((handle, slot) => {
      const number = (handle < 0 ? ~handle : handle) & this.#mask;
      expectInvariant(number === slot, "a handle does not name its slot");
      expectInvariant(stacked[slot] === (handle < 0 ? 1 : 0), "a slot is lost, or there twice");
    });
  }
}

/** The slot on top plus one, or 0. */
function linkOf(head: bigint): number {
  const TOP_BITS = 25;
  return Number(BigInt.asUintN(TOP_BITS, head));
}
