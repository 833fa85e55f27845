/**
 * Answers that are no more than a status and a line of text.
 *
 * @module
 */

import { StorageError } from "../../src/arena/backing_store.ts";
import {
  BlobChangedError,
  ConditionFailedError,
  StoreFullError,
  TooManySnapshotsError,
} from "../../src/blob_store/blob_store_errors.ts";

/** How the error of a store that was closed ends. */
const CLOSED = "the store is closed";

/** A request that is answered with no more than a status. */
export class Refusal extends Error {
  /** The name of the class. */
  override readonly name: string = "Refusal";
  /** The status of the answer. */
  readonly status: number;
  /** Headers of the answer. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    message: string,
    headers: Readonly<Record<string, string>> = {},
    options?: { cause: unknown },
  ) {
    super(message, options);
    this.status = status;
    this.headers = headers;
  }
}

/** The answer to a client for an error of the store; 500 for an unforeseen one. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof ConditionFailedError) return conditionFailed(error.etag);
  if (error instanceof StoreFullError) return new Refusal(507, "The store is full");
  if (error instanceof TooManySnapshotsError || error instanceof BlobChangedError) {
    return new Refusal(503, "The server is busy", { "retry-after": "1" });
  }
  if (error instanceof StorageError && error.message.endsWith(CLOSED)) {
    return new Refusal(503, "The server is ending", { connection: "close" });
  }
  return new Refusal(500, "The server cannot do this");
}

/** The answer where a condition does not hold. */
export function conditionFailed(etag: string | undefined): Refusal {
  const headers: Record<string, string> = etag === undefined ? {} : { etag: `"${etag}"` };
  return new Refusal(412, "The blob is not as the request has it", headers);
}
