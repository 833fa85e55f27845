/**
 * Clients of a real server, as users have them. `SUBALLOC_POSTGRES` says where it is.
 *
 * @module
 */

import process from "node:process";
import pg from "pg";
import postgres from "postgres";
import type { PostgresClient } from "../../../backends/postgres/mod.ts";

/** A client, and what ends it. */
export interface Connected {
  readonly client: PostgresClient;
  end(): Promise<void>;
}

/** Where the server is. */
export function serverUrl(): string {
  const url = process.env.SUBALLOC_POSTGRES;
  if (url === undefined) throw new Error("Run it by `deno task test postgres`");
  return url;
}

/** A pool that outlives its server. */
export function openPool(url: string = serverUrl(), max = 4): Connected & { client: pg.Pool } {
  const client = new pg.Pool({ connectionString: url, max });
  client.on("error", () => {}); // without a listener the process would end
  return { client, end: () => client.end() };
}

/** The clients that run on this runtime, by name. */
export const clients: Readonly<Record<string, () => Promise<Connected>>> = {
  "a Client of pg": async () => {
    const client = new pg.Client({ connectionString: serverUrl() });
    await client.connect();
    return { client, end: () => client.end() };
  },
  "a Pool of pg": () => Promise.resolve(openPool()),
  "postgres": () => {
    const client = postgres(serverUrl(), { max: 4, onnotice: () => {} });
    return Promise.resolve({ client, end: () => client.end() });
  },
  ...bunClients(),
};

/** The client that Bun has. */
function bunClients(): Record<string, () => Promise<Connected>> {
  const { Bun } = globalThis as unknown as {
    Bun?: { SQL: new (url: string) => PostgresClient & { end(): Promise<void> } };
  };
  if (Bun === undefined) return {};
  return {
    "a Bun.SQL": () => {
      const client = new Bun.SQL(serverUrl());
      return Promise.resolve({ client, end: () => client.end() });
    },
  };
}

let stores = 0;

/** A name that no other store has. */
export function freshName(): string {
  return `${process.pid}-${Date.now()}-${stores++}`;
}
