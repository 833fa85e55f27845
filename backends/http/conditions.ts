/**
 * Conditional requests: the preconditions of RFC 9110, section 13, in their order.
 *
 * @module
 */

import type { BlobInfo } from "../../src/blob_store/mod.ts";

/** A blob as conditions see it. */
export interface Version {
  /** Its etag in the store. */
  readonly etag: string;
  /** The entity tags, without quotes, of what is sent of it. */
  readonly tags: readonly string[];
  /** When it was put. */
  readonly time: Date;
}

/** Conditions at the commit of a write. */
export interface WriteConditions {
  /** The etag that the blob must have. */
  readonly ifMatch?: string;
  /** Demands that there is none. */
  readonly ifNoneMatch?: "*";
}

/** The verdict of a request's conditions: go on, nothing changed (304), or refused (412). */
export type Verdict = "passed" | "unchanged" | "failed";

const MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec";
/** The form of a date that is sent, and the two older ones that have to be understood. */
const DATES: readonly RegExp[] = [
  /^\w{3}, (?<day>\d\d) (?<month>\w{3}) (?<year>\d{4}) (?<time>\d\d:\d\d:\d\d) GMT$/,
  /^\w{6,9}, (?<day>\d\d)-(?<month>\w{3})-(?<year>\d\d) (?<time>\d\d:\d\d:\d\d) GMT$/,
  /^\w{3} (?<month>\w{3}) (?<day>[ \d]\d) (?<time>\d\d:\d\d:\d\d) (?<year>\d{4})$/,
];

/**
 * A blob as a write sees it: by the tag of its bytes, or by that of their encoding.
 */
export function versionOf({ etag, time, encoding }: BlobInfo<unknown>): Version {
  return { etag, tags: encoding ? [etag, tagOf(etag, encoding)] : [etag], time };
}

/** A blob as it is sent: with a content coding, or without one. */
export function selected({ etag, time }: BlobInfo<unknown>, encoding: string | undefined): Version {
  return { etag, tags: [encoding === undefined ? etag : tagOf(etag, encoding)], time };
}

/** The entity tag of bytes that are sent encoded. */
function tagOf(etag: string, encoding: string): string {
  return `${etag}-${encoding}`;
}

/**
 * Evaluates the preconditions of a request, as section 13.2.2 orders them. Headers that make no
 * sense are passed over, as it says.
 *
 * @param headers Those of the request.
 * @param version The key's blob now; undefined for none.
 * @param isRead True if it is a GET or a HEAD.
 */
export function evaluate(
  headers: Headers,
  version: Version | undefined,
  isRead: boolean,
): Verdict {
  const ifMatch = headers.get("if-match"), ifNoneMatch = headers.get("if-none-match");
  if (ifMatch !== null) {
    if (!names(ifMatch, version, false)) return "failed";
  } else if (version && secondsOf(version) > timeOf(headers.get("if-unmodified-since"))) {
    return "failed";
  }
  if (ifNoneMatch !== null) {
    if (!names(ifNoneMatch, version, true)) return "passed";
    return isRead ? "unchanged" : "failed";
  }
  if (!isRead || version === undefined) return "passed";
  return secondsOf(version) <= timeOf(headers.get("if-modified-since")) ? "unchanged" : "passed";
}

/**
 * Conditions at the commit of a write, so that the answer of {@linkcode evaluate} holds:
 * nothing where the request has no condition.
 */
export function conditionsOf(headers: Headers, version: Version | undefined): WriteConditions {
  const names = ["if-match", "if-none-match", "if-unmodified-since"];
  if (!names.some((name) => headers.has(name))) return {};
  return version === undefined ? { ifNoneMatch: "*" } : { ifMatch: version.etag };
}

/**
 * Tells whether a range of this version is what the client wants to go on with. A date tells puts
 * of one second not apart, so it never is (section 13.1.5 leaves that to the server).
 */
export function isIfRange(header: string | null, version: Version): boolean {
  return header === null || names(header, version, false, false);
}

/** Tells whether a list of entity tags, or `*`, names the version. */
function names(
  list: string,
  version: Version | undefined,
  isWeak: boolean,
  hasStar = true,
): boolean {
  if (version === undefined) return false;
  if (hasStar && list.trim() === "*") return true;
  for (const [, weak, tag] of list.matchAll(/(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"/g)) {
    if ((isWeak || weak === undefined) && version.tags.includes(tag)) return true;
  }
  return false;
}

/** When a version was put, as its Last-Modified says. */
function secondsOf({ time }: Version): number {
  return Math.floor(time.getTime() / 1000) * 1000;
}

/** An HTTP date in milliseconds; NaN for what is none. */
function timeOf(header: string | null): number {
  for (const form of header === null ? [] : DATES) {
    const { day, month, year, time } = form.exec(header!)?.groups ?? {};
    const at = MONTHS.indexOf(month ?? "-");
    if (at < 0 || at % 3 !== 0) continue;
    const [hours, minutes, seconds] = time.split(":").map(Number);
    let full = Number(year);
    if (year.length === 2) {
      // At most 50 years from now, else it is of the last century.
      const now = new Date().getUTCFullYear();
      full += now - now % 100;
      if (full > now + 50) full -= 100;
    }
    return Date.UTC(full, at / 3, Number(day), hours, minutes, seconds);
  }
  return NaN;
}
