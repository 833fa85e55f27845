/**
 * The line of those who wait for something in shared memory, in the order in which they came.
 *
 * @module
 */

// Words of 32 bits, which atomic operations alone read and write:
//
//   | WAITED | FIRST | NEXT | TRYING | PAUSED | OWNERS | ... | places, PLACES of them |
//
// Who waits draws a ticket of 26 bits. Its place is the one that its lowest 8 bits name; the other
// 18 are its lap. A place holds
//
//   31 ... 14   13 ... 2                             1 ... 0
//   | lap | the owner's number, 0 for nobody | FREE, WAITING, CALLED or GONE |
//
// The places alone say who stands in line: whoever sees that FIRST or NEXT lags behind moves it on.
// So a thread that dies between two steps leaves nothing half done, but a place whose owner
// does not answer. Who frees something calls the first in line: its place becomes CALLED, which
// it makes WAITING again before it tries. One that stays CALLED for long is passed over.
export const WAITED = 0; // not 0 while somebody may stand in line
export const FIRST = 1; // the ticket whose turn it is
export const NEXT = 2; // the ticket that is drawn next
export const TRYING = 3; // how many are just trying to take what they waited for
export const PAUSED = 4; // not 0 while nobody is to try
const OWNERS = 5; // numbers given to owners who have none
export const ENDED = 6; // an owner that is known to have died, or 0
const PLACES_AT = 16;
const PLACES = 256;
export const LINE_WORDS = 272; // = PLACES_AT + PLACES

const LAPS = 262_143; // = (1 << 18) - 1
const TICKETS = 67_108_863; // = (1 << 26) - 1
const OWNER = 4095; // = (1 << 12) - 1
const FREE = 0, WAITING = 1, CALLED = 2, GONE = 3; // GONE is also the mask of a state

/** Stands for no ticket. */
export const NO_TICKET = -1;

/** The word of a ticket's place. */
export function placeOf(ticket: number): number {
  return PLACES_AT + (ticket & (PLACES - 1));
}

/** Laps from that of a ticket to that of its place: 0 while it stands in line. */
function lapsBehind(ticket: number, word: number): number {
  return ((word >>> 14) - (ticket >>> 8)) & LAPS;
}

/** A number for an owner that has none. */
export function nextOwner(line: Int32Array): number {
  return 1 + (Atomics.add(line, OWNERS, 1) & 0x7fffffff) % OWNER;
}

/** The ticket whose turn it is, or that is drawn next where nobody waits. Amortised O(1). */
export function firstTicket(line: Int32Array): number {
  while (true) {
    const ticket = Atomics.load(line, FIRST), at = placeOf(ticket), word = Atomics.load(line, at);
    if (lapsBehind(ticket, word) === 0) {
      if ((word & GONE) !== GONE) return ticket;
      Atomics.compareExchange(line, at, word, ((ticket >>> 8) + 1) << 14);
    }
    Atomics.compareExchange(line, FIRST, ticket, (ticket + 1) & TICKETS);
  }
}

/** Draws a ticket at the end of the line; `NO_TICKET` where that is full. */
export function drawTicket(line: Int32Array, owner: number): number {
  while (true) {
    const ticket = Atomics.load(line, NEXT), at = placeOf(ticket), word = Atomics.load(line, at);
    const laps = lapsBehind(ticket, word);
    if (laps > 1) return NO_TICKET; // somebody of the lap before stands there
    const isFree = laps === 0 && (word & GONE) === FREE;
    const mine = (ticket >>> 8) << 14 | owner << 2 | WAITING;
    const isDrawn = isFree && Atomics.compareExchange(line, at, word, mine) === word;
    if (!isFree || isDrawn) Atomics.compareExchange(line, NEXT, ticket, (ticket + 1) & TICKETS);
    if (!isDrawn) continue;
    Atomics.store(line, WAITED, 1);
    return ticket;
  }
}

/** Answers a call. Returns what the place of a ticket holds then; 0 if it was passed over. */
export function answer(line: Int32Array, ticket: number): number {
  if (ticket === NO_TICKET) return 0;
  const at = placeOf(ticket), word = Atomics.load(line, at), state = word & GONE;
  if (lapsBehind(ticket, word) !== 0 || state === FREE || state === GONE) return 0;
  if (state === WAITING) return word;
  return Atomics.compareExchange(line, at, word, word - 1) === word ? word - 1 : 0;
}

/** Leaves the line, wherever the ticket stands, and calls who is first then. */
export function leave(line: Int32Array, ticket: number): void {
  if (ticket === NO_TICKET) return;
  const at = placeOf(ticket);
  for (let word = Atomics.load(line, at); lapsBehind(ticket, word) === 0;) {
    const seen = Atomics.compareExchange(line, at, word, word | GONE);
    if (seen === word) break;
    word = seen;
  }
  Atomics.notify(line, at); // another seat of its thread may be next
  if (isEmpty(line)) {
    Atomics.store(line, WAITED, 0);
    // Who came in between has set it before; who comes from here on sets it after that.
    if (!isEmpty(line)) Atomics.store(line, WAITED, 1);
  }
  callFirst(line);
}

/**
 * Calls the first in line, if there is one. It need not be alive. One that is just leaving calls
 * the next one when it has left.
 */
export function callFirst(line: Int32Array): void {
  const FIRST = 1, PLACES_AT = 16, LAST_PLACE = 255, STATE = 3;
  const at = PLACES_AT + (Atomics.load(line, FIRST) & LAST_PLACE), word = Atomics.load(line, at);
  // From WAITING to CALLED.
  if ((word & STATE) === 1) Atomics.compareExchange(line, at, word, word + 1);
  Atomics.notify(line, at);
}

/** Calls who waits, after space was freed: a waiter says that it waits, and then tries. */
export function callWaiting(line: Int32Array): void {
  const WAITED = 0;
  if (Atomics.load(line, WAITED) !== 0) callFirst(line);
}

/** Tells whether nobody stands in line. */
export function isEmpty(line: Int32Array): boolean {
  return (Atomics.load(line, placeOf(firstTicket(line))) & GONE) === FREE;
}

/** How many tickets stand in line, those that were given up among them; an estimate. */
export function lineLength(line: Int32Array): number {
  return Math.max(0, (Atomics.load(line, NEXT) - firstTicket(line)) << 6 >> 6);
}

/** Takes all tickets of an owner out of the line. O(places). */
export function dismiss(line: Int32Array, owner: number): void {
  const first = firstTicket(line);
  for (let i = 0; i < PLACES; i++) {
    const at = placeOf(first + i), word = Atomics.load(line, at);
    const isTheirs = (word & GONE) !== FREE && ownerOf(word) === owner;
    if (isTheirs) Atomics.compareExchange(line, at, word, word | GONE);
  }
  firstTicket(line);
  callFirst(line);
}

/** Whose ticket it is that a word of a place names. */
export function ownerOf(word: number): number {
  return word >>> 2 & OWNER;
}

/** Tells whether a word of a place says that its owner was called and has not answered. */
export function isCalled(word: number): boolean {
  return (word & GONE) === CALLED;
}
