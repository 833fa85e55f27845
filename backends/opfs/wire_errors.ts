/**
 * Errors on their way through a port: of the same class, with the same fields.
 *
 * @module
 */

import { StorageError } from "../../src/arena/backing_store.ts";
import * as errors from "../../src/blob_store/blob_store_errors.ts";

/** Most causes that are sent along. */
const MOST_CAUSES = 8;

/** An error as it is posted. */
export interface WireError {
  /** The name of its class; undefined for what is thrown and is no error. */
  readonly name?: string;
  readonly message?: string;
  readonly stack?: string;
  /** True if it is a DOMException. */
  readonly isOfDom?: boolean;
  /** Its own fields, or the value that is no error. */
  readonly value?: unknown;
  readonly cause?: WireError;
}

/** The worker or tab that has the store ended before it answered a call. */
export class ConnectionLostError extends Error {
  /** The name of the class. */
  override readonly name: string = "ConnectionLostError";
  /** True if a write may be in the store or not; false if the call never reached the store. */
  readonly isOutcomeUnknown: boolean;

  /** Makes the error. */
  constructor(isOutcomeUnknown: boolean = true) {
    const outcome = isOutcomeUnknown
      ? "a write under way may be in the store or not"
      : "nothing was done";
    super(`The worker that has the store ended: ${outcome}`);
    this.isOutcomeUnknown = isOutcomeUnknown;
  }
}

/** The classes that callers catch, by the names that their errors have. */
function classesByName(): Readonly<Record<string, { readonly prototype: object } | undefined>> {
  return {
    __proto__: null as never,
    ...errors,
    StorageError,
    ConnectionLostError,
    TypeError,
    RangeError,
  };
}

/** An error as it can be posted. */
export function encodeError(error: unknown, depth: number = 0): WireError {
  if (!(error instanceof Error)) return { value: cloned(error) ?? String(error) };
  const { name, message, stack } = error;
  if (typeof DOMException === "function" && error instanceof DOMException) {
    return { name, message, isOfDom: true };
  }
  const value: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(error)) {
    if (key !== "cause") value[key] = cloned(field);
  }
  const { cause } = error;
  return {
    name,
    message,
    stack,
    value,
    cause: cause === undefined || depth === MOST_CAUSES ? undefined : encodeError(cause, depth + 1),
  };
}

/** The error that was posted. */
export function decodeError(posted: WireError): unknown {
  const { name, message, stack, value, cause, isOfDom } = posted;
  if (name === undefined) return value;
  if (isOfDom) return new DOMException(message, name);
  const options = cause === undefined ? undefined : { cause: decodeError(cause) };
  const error = new Error(message, options), known = classesByName()[name];
  if (known !== undefined) Object.setPrototypeOf(error, known.prototype);
  else if (name !== error.name) error.name = name;
  // Set by its setter it would be a field that is listed, in Firefox.
  Object.defineProperty(error, "stack", { value: stack, configurable: true, writable: true });
  return Object.assign(error, value);
}

/** A copy of what can be posted; undefined for what cannot. */
function cloned(value: unknown): unknown {
  try {
    return structuredClone(value);
  } catch {
    return undefined;
  }
}
