/**
 * The quick suite on Node for Windows, by Wine.
 *
 * @module
 */

import { join } from "node:path";
import { filesOf, runEmulated } from "./emulated.ts";

/** Where Debian has Wine's loader for 64 bits. */
const WINE = "/usr/lib/wine/wine64";

/** Node's output goes to a file and comes from there: it cannot write to pipes of Wine 8. */
const TO_FILE = 'out=$(mktemp); "$@" > "$out" 2>&1; code=$?; cat "$out"; rm "$out"; exit $code';

/** What works with the system: files, the command, blob stores. */
const FOLDERS = ["file", "memory", "arena", "blob_store", "cli"];

/** Files that are left out, and why. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  "blob_store/crash": "minutes of arithmetic",
  "blob_store/damage": "minutes of arithmetic",
  "blob_store/full_disk": "minutes of arithmetic",
  "blob_store/kill": "minutes, and its processes are Wine's",
  "blob_store/mutants": "changes sources and imports them",
  "blob_store/model": "minutes of arithmetic",
  "blob_store/round_trip": "needs a second runtime",
};

/** Tests that Wine lets fail, not Windows, and why. */
const FAILING: Readonly<Record<string, string>> = {
  "by a hard link: refused where it is there first, told where it came later":
    "Wine 8 removes the name of an open file once it is closed, as Windows did before 10",
};

/**
 * Runs the suite; returns how many tests passed.
 *
 * @param prefix An empty folder, for what Wine takes for a computer.
 * @param node The folder of Node for Windows.
 */
export async function windowsSuite(suite: string, prefix: string, node: string): Promise<string> {
  return await runEmulated(suite, {
    command: ["sh", "-c", TO_FILE, "sh", WINE, join(node, "bin/node.exe")],
    env: {
      WINEPREFIX: prefix,
      WINEDEBUG: "-all",
      WINEDLLOVERRIDES: "winemenubuilder.exe,mscoree,mshtml=d",
      NODE_SKIP_PLATFORM_CHECK: "1", // Wine says that it is an older Windows
    },
    files: filesOf(suite, FOLDERS).filter((file) => !Object.hasOwn(LEFT_OUT, file)),
    failing: FAILING,
  });
}
