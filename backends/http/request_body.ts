/**
 * The body of a PUT, within limits of size and time.
 *
 * @module
 */

import { Refusal } from "./refusal.ts";
import type { Settings } from "./serve_options.ts";

const CUT = "The body was cut short";

/** The length that a request says its body has; undefined where it says none. */
export function lengthOf(headers: Headers, settings: Settings): number | undefined {
  const length = headers.get("content-length");
  if (length !== null && !/^\d+$/.test(length)) {
    throw new Refusal(400, "The Content-Length is no number");
  }
  if (length === null && settings.requireLength) {
    throw new Refusal(411, "The length has to be said before");
  }
  if (Number(length) > settings.maxBodyBytes) throw tooLarge(settings);
  return length === null ? undefined : Number(length);
}

/**
 * The pieces of a body. A body that is too large, too slow or shorter than `length` ends with a
 * {@linkcode Refusal}: a blob that was cut short must not be kept.
 */
export async function* piecesOf(
  request: Request,
  length: number | undefined,
  settings: Settings,
): AsyncGenerator<Uint8Array, void, void> {
  if (request.body === null) return;
  const reader = (request.body as ReadableStream<Uint8Array>).getReader();
  let total = 0, left = settings.bodyTimeoutMs;
  try {
    for (;;) {
      const start = Date.now();
      const piece = reader.read().catch((cause) => {
        throw new Refusal(400, CUT, {}, { cause }); // its client has gone, as a rule
      });
      const { done, value } = await within(piece, Math.min(left, settings.idleTimeoutMs));
      left -= Date.now() - start;
      if (done) break;
      if ((total += value.length) > settings.maxBodyBytes) throw tooLarge(settings);
      yield value;
    }
    if (length !== undefined && total !== length) throw new Refusal(400, CUT);
  } finally {
    reader.cancel().catch(() => {}); // what is left of it; it may have failed
  }
}

function tooLarge({ maxBodyBytes }: Settings): Refusal {
  return new Refusal(413, `At most ${maxBodyBytes} bytes are taken`, { connection: "close" });
}

/** The value of a promise, unless it takes too long. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Refusal(408, "The body did not come in time", { connection: "close" }));
    }, Math.max(ms, 0));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
