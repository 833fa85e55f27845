/**
 * A store's way from this runtime to another one and back: whatever each wrote, the other reads.
 *
 * The other ones are named by their commands, one a line or between semicolons:
 *
 * ```sh
 * SUBALLOC_RUNTIMES="/opt/old/deno run -A --no-lock --no-check --no-config" \
 *   deno test -A tests/blob_store/round_trip_test.ts
 * ```
 *
 * `SUBALLOC_ROUNDS` says how often a leg puts all its keys.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { doLeg, KEYS, type Leg } from "./children/round_trip.ts";
import { readStore } from "./format_reader.ts";
import { newPath, removeAfterwards } from "../support/temporary_files.ts";

const VARIABLE = "SUBALLOC_RUNTIMES";
const CHILD = fileURLToPath(new URL("children/round_trip.ts", import.meta.url));
/** How often a leg puts all its keys: a Deno's checksum was wrong once it was hot. */
const ROUNDS = Number(process.env.SUBALLOC_ROUNDS ?? 20);

const commands = (process.env[VARIABLE] ?? "").split(/[;\n]/).map((line) => line.trim())
  .filter((line) => line !== "");

/**
 * Ours without what npx put there for us, which would start the same program again. An old Deno
 * is not to install what package.json names.
 */
const ENVIRONMENT = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("npm_"))),
  DENO_NO_PACKAGE_JSON: "1",
};

removeAfterwards();

/** Runs a leg in another runtime. */
function elsewhere(command: string, what: string, path: string, first: number): Leg {
  const [program, ...args] = command.split(/\s+/);
  const { status, stdout, stderr, error } = spawnSync(
    program,
    [...args, CHILD, what, path, String(first), String(ROUNDS)],
    { encoding: "utf8", env: ENVIRONMENT },
  );
  // npx makes a status of its own of the signal.
  const hasEnded = what === "abandon" || status === 0;
  if (!hasEnded || stdout === "") {
    throw new Error(`${command} ${what}: ${status ?? error}\n${stderr}`);
  }
  return JSON.parse(stdout);
}

function assertAllRead({ wrong, wrongCount }: Leg, where: string): void {
  assertEquals({ wrongCount, wrong }, { wrongCount: 0, wrong: [] }, where);
}

describe("a store that goes through several runtimes", () => {
  if (commands.length === 0) {
    it({ name: `comes back whole (skipped: ${VARIABLE} names none)`, ignore: true, fn() {} });
  }

  for (const command of commands) {
    it(`is read and written by this one and ${command}, and back`, async () => {
      const path = newPath(),
        there = (what: string, first: number) => elsewhere(command, what, path, first);
      assertAllRead(await doLeg("write", path, 0, ROUNDS), "written here");
      assertAllRead(there("read", 0), "written here, read there");
      assertAllRead(there("write", KEYS), "written there");
      for (const first of [0, KEYS]) {
        assertAllRead(await doLeg("read", path, first, ROUNDS), `read here, from ${first} on`);
      }
      assertAllRead(await doLeg("write", path, 2 * KEYS, ROUNDS), "written here again");
      for (const first of [0, KEYS, 2 * KEYS]) assertAllRead(there("read", first), "read there");
      assertEquals(readStore(new Uint8Array(readFileSync(path))).size, 3 * KEYS);
    });

    it(`keeps what ${command} wrote before it was killed`, async () => {
      const path = newPath();
      assertAllRead(elsewhere(command, "abandon", path, 0), "written there");
      assertAllRead(await doLeg("read", path, 0, ROUNDS), "read here");
      assertAllRead(await doLeg("write", path, KEYS, 1), "written here");
      assertAllRead(elsewhere(command, "read", path, 0), "read there");
    });
  }
});
