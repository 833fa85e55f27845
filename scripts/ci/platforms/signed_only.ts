/**
 * A private bucket: a server in front of one of S3 that lets only requests pass whose signature,
 * version 4, is right. The server behind it does not look at signatures.
 *
 * @module
 */

import { AwsV4Signer } from "aws4fetch";

/** Who may pass. */
export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly service: "s3";
}

/** A server that runs. */
export interface Guard {
  readonly origin: string;
  /** Requests that were refused. */
  readonly refused: number;
  close(): Promise<void>;
}

/** The signature that a request has, and the one that it should have. */
async function signatures(
  { url, method, headers }: Request,
  credentials: Credentials,
): Promise<[got: string | null, expected: string | null]> {
  const plain = new URL(url), { searchParams } = plain;
  const got = searchParams.get("X-Amz-Signature");
  if (got !== null) {
    const datetime = searchParams.get("X-Amz-Date") ?? undefined;
    for (const name of [...searchParams.keys()]) {
      if (name.startsWith("X-Amz-") && name !== "X-Amz-Expires") searchParams.delete(name);
    }
    const signer = new AwsV4Signer({
      ...credentials,
      url: plain.href,
      method,
      datetime,
      signQuery: true,
    });
    const signed = await signer.sign();
    return [got, signed.url.searchParams.get("X-Amz-Signature")];
  }
  const datetime = headers.get("x-amz-date") ?? undefined,
    authorization = headers.get("authorization");
  const names = /SignedHeaders=([^,]+)/.exec(authorization ?? "")?.[1].split(";") ?? [];
  const given = names.filter((name) => name !== "host" && name !== "x-amz-date")
    .map((name) => [name, headers.get(name) ?? ""]);
  const signer = new AwsV4Signer({
    ...credentials,
    url,
    method,
    datetime,
    headers: Object.fromEntries(given),
  });
  const signed = await signer.sign();
  return [authorization, new Headers(signed.headers).get("authorization")];
}

/**
 * Starts the server.
 *
 * @param origin The server behind it.
 */
export function letSignedPass(origin: string, credentials: Credentials): Guard {
  let refused = 0;
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    async (request) => {
      const [got, expected] = await signatures(request, credentials);
      if (got === null || got !== expected) {
        refused++;
        await request.body?.cancel();
        return new Response("SignatureDoesNotMatch", { status: 403 });
      }
      const { pathname, search } = new URL(request.url), { method, body } = request;
      const headers = new Headers(request.headers);
      headers.delete("host");
      const answer = await fetch(origin + pathname + search, { method, headers, body });
      return new Response(answer.body, answer);
    },
  );
  return {
    origin: `http://127.0.0.1:${server.addr.port}`,
    get refused() {
      return refused;
    },
    close: () => server.shutdown(),
  };
}
