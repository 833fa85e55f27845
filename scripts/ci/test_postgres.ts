/**
 * Runs stores in PostgreSQL over real servers: the clients that users have, on Deno, Node and Bun;
 * processes, connections and servers that are killed; failovers.
 *
 * ```sh
 * deno task test:postgres            # everything
 * deno task test:postgres failover   # only this part
 * ```
 *
 * The programs of PostgreSQL are those of `pg_config` or of Debian, which are installed where this
 * runs as root. Where there are none, PGlite is all that runs, and the rest is named as skipped.
 *
 * @module
 */

import process from "node:process";
import { ROOT } from "../package/emit.ts";
import { runtimes } from "../package/runtimes.ts";
import { CannotBeHad, type Part, runParts } from "./platforms/parts.ts";
import { run } from "./platforms/programs.ts";
import { needPostgres, PostgresServer } from "./postgres/server.ts";

const CASES = "./tests/postgres/server/";
const DENO = [Deno.execPath(), "test", "-A", "--no-check"];
/** Longest that a part may take, in seconds. */
const LIMIT = 400;

let server: Promise<PostgresServer> | undefined;

/** The server that some parts share, started when the first one asks. */
async function shared(): Promise<string> {
  server ??= PostgresServer.start(programs());
  return (await server).url;
}

/** Where the programs of PostgreSQL are. */
function programs(): string {
  const found = needPostgres();
  if (found === undefined) throw new CannotBeHad("there is no PostgreSQL");
  return found;
}

/** Runs test files. */
function tests(command: readonly string[], path: string, env: Record<string, string> = {}): Part {
  return async () => {
    const printed = await run([...command, path], { cwd: ROOT, env, limit: LIMIT });
    return printed.match(/\d+ pass(?:ed.*\))?|pass \d+/)?.[0] ?? "";
  };
}

/** Runs test files over the shared server. */
function overServer(command: readonly string[], file: string): Part {
  return async () => await tests(command, CASES + file, { SUBALLOC_POSTGRES: await shared() })();
}

/** Runs test files that start servers of their own. */
function withServers(file: string): Part {
  return async () => {
    programs();
    return await tests(DENO, CASES + file)();
  };
}

const [node] = runtimes.filter(({ name }) => name.startsWith("node 24"));
const [bun] = runtimes.filter(({ name }) => name === "bun");

const parts: Record<string, Part> = {
  faults: withServers("faults_cases.ts"),
  contract: overServer(DENO, "contract_cases.ts"),
  failover: withServers("failover_cases.ts"),
  crashes: tests(DENO, "./tests/postgres/crash_test.ts", { SUBALLOC_WORKLOADS: "200" }),
  deno: overServer(DENO, "clients_cases.ts"),
  node: overServer(node.test, "clients_cases.ts"),
  bun: overServer(bun.test, "clients_cases.ts"),
  leases: overServer(DENO, "leases_cases.ts"),
  pglite: tests(node.test, CASES + "pglite_cases.ts"),
};

await runParts(parts, process.argv.slice(2), 2, async () => await (await server)?.remove());
