/**
 * A copy of the repository in which one mutant after another is tested.
 *
 * @module
 */

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { createInterface } from "node:readline";
import config from "../../../deno.json" with { type: "json" };
import type { Mutant } from "./mutants.ts";
import type { Line, Task } from "./run_tests.ts";

/** How the tests of a mutant went: passed, or killed by a test that failed or took too long. */
export interface Outcome {
  readonly status: "survived" | "killed" | "timed out";
  /** The test that killed it; undefined where the sources could not be loaded. */
  readonly by?: string;
}

/** What a test takes. */
interface Known {
  readonly seconds: number;
  kills: number;
}

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const COPIED = [
  "src",
  "backends",
  "tests",
  "scripts",
  "cli",
  "examples",
  "docs",
  "mod.ts",
];
/** A test may take so many times what it takes without a mutant, and these seconds more. */
const PATIENCE = 4, SLACK = 2;
const LOADING = 20;

/** Node, as the tasks pin it. */
function nodePath(): string {
  const [npx, ...args] = config.tasks["test:node"].command.split(" -- ")[0].split(" ");
  const more = ["--", "node", "-p", "process.execPath"];
  return execFileSync(npx, [...args, ...more], { encoding: "utf8" }).trim();
}

/** Tests mutants of sources that have the same tests. */
export class Workbench {
  readonly #folder = mkdtempSync(join(tmpdir(), "mutants-"));
  readonly #node = nodePath();
  readonly #files: readonly string[];
  readonly #known = new Map<string, Known>();

  /** Tests, by the names of their files without `_test.ts`. */
  constructor(tests: readonly string[]) {
    const folder = this.#folder;
    for (const name of [...COPIED, "package.json", "deno.json", "CHANGELOG.md"]) {
      cpSync(join(ROOT, name), join(folder, name), { recursive: true });
    }
    const collector = new URL("./collected_tests.ts", import.meta.url);
    cpSync(fileURLToPath(collector), join(folder, "tests/support/testing/bdd.ts"));
    mkdirSync(join(folder, "node_modules/@std"), { recursive: true });
    mkdirSync(join(folder, "temporary"));
    for (const name of ["assert", "testing"]) {
      symlinkSync(join(folder, "tests/support", name), join(folder, "node_modules/@std", name));
    }
    for (const name of ["three", "three-0.181"]) {
      symlinkSync(join(ROOT, "node_modules", name), join(folder, "node_modules", name));
    }
    this.#files = tests.map((test) => this.#url(`tests/${test}_test.ts`));
  }

  /** Runs all tests without a mutant; those that take longer than `longest` stay out then. */
  async measure(longest: number): Promise<{ tests: number; seconds: number; leftOut: string[] }> {
    const begun: [name: string, at: number][] = [];
    const outcome = await this.#run(undefined, (name) => {
      begun.push([name, performance.now()]);
      return 600;
    });
    if (outcome.status !== "survived") throw new Error(`Fails without a mutant: ${outcome.by}`);
    begun.push(["", performance.now()]);
    const leftOut: string[] = [];
    let all = 0;
    for (let i = 0; i + 1 < begun.length; i++) {
      const [name, at] = begun[i], seconds = (begun[i + 1][1] - at) / 1000;
      if (seconds > longest) leftOut.push(name);
      else {
        this.#known.set(name, { seconds, kills: 0 });
        all += seconds;
      }
    }
    if (this.#known.size === 0) {
      throw new Error(`Every test takes more than ${longest} s: raise --longest`);
    }
    return { tests: this.#known.size, seconds: all, leftOut };
  }

  /** Tests a mutant, with the tests first that most likely kill it, for their time. */
  async test(mutant: Mutant): Promise<Outcome> {
    const path = join(this.#folder, mutant.file), original = readFileSync(path);
    const worth = ({ kills, seconds }: Known) => (kills + 0.1) / (seconds + 0.01);
    const order = [...this.#known].sort(([, a], [, b]) => worth(b) - worth(a));
    writeFileSync(path, mutant.source);
    try {
      const outcome = await this.#run(
        order.map(([name]) => name),
        (name) => this.#known.get(name)!.seconds * PATIENCE + SLACK,
      );
      if (outcome.by !== undefined) this.#known.get(outcome.by)!.kills++;
      return outcome;
    } finally {
      writeFileSync(path, original);
    }
  }

  /** Removes the copy. */
  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #url(path: string): string {
    return pathToFileURL(join(this.#folder, path)).href;
  }

  /** Runs tests; `begins` hears of each and gives the seconds that it may take. */
  async #run(
    order: readonly string[] | undefined,
    begins: (name: string) => number,
  ): Promise<Outcome> {
    const task: Task = {
      collector: this.#url("tests/support/testing/bdd.ts"),
      files: this.#files,
      order,
    };
    writeFileSync(join(this.#folder, "task.json"), JSON.stringify(task));
    const child: ChildProcess = spawn(
      this.#node,
      ["--max-old-space-size=1024", "scripts/quality/mutate/run_tests.ts", "task.json"],
      {
        cwd: this.#folder,
        stdio: ["ignore", "pipe", "ignore"],
        env: {
          ...process.env,
          TMPDIR: join(this.#folder, "temporary"),
          NODE_COMPILE_CACHE: join(this.#folder, "compiled"),
        },
      },
    );
    let test: string | undefined, isPassed = false, isLate = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const allow = (seconds: number) => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        isLate = true;
        child.kill("SIGKILL");
      }, seconds * 1000);
    };
    allow(LOADING);
    const lines = createInterface({ input: child.stdout! });
    lines.on("line", (text) => {
      if (!text.startsWith("{")) return; // what a test prints
      const line: Line = JSON.parse(text);
      if ("passed" in line) {
        isPassed = true;
        child.kill("SIGKILL"); // which need not wait for what its threads still do
      } else allow(begins(test = line.begins));
    });
    await new Promise((resolve) => lines.once("close", resolve));
    clearTimeout(timer);
    child.kill("SIGKILL");
    if (isPassed) return { status: "survived" };
    return { status: isLate ? "timed out" : "killed", by: test };
  }
}
