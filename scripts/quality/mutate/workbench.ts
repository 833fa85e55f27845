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
  /** How many tests reach it, and were asked. */
  readonly asked?: number;
}

/** What is known of a test. */
interface Known {
  seconds: number;
  /**
   * The places of mutants that it reaches, or that what its group prepares reaches; undefined
   * where nobody looked.
   */
  readonly reaches: ReadonlySet<string> | undefined;
  kills: number;
}

/** What is kept of what was measured: of each test its seconds, and the places that it reaches. */
interface Measured {
  readonly known: readonly (readonly [name: string, seconds: number, places: string[]])[];
  readonly loaded: readonly string[];
}

/** Hears of a line and when it came, and says how many seconds what it begins may take. */
type Listener = (line: Line, now: number) => number;

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
/**
 * A test may take so many times what it takes without a mutant, and these seconds more: of the
 * processor, since others may want it as well. It may wait for so many times longer.
 */
const PATIENCE = 4, SLACK = 2, IDLE = 20;
const LOADING = 10, MEASURING = 600;
/** Seconds that a test may take of which nobody knows what it takes, and what it is taken for. */
const UNKNOWN = 10, GUESSED = 0.1;
/** Milliseconds after which a process is looked at. */
const INTERVAL = 100;

/** Node, as the tasks pin it. */
function nodePath(): string {
  const [npx, ...args] = config.tasks["test:node"].command.split(" -- ")[0].split(" ");
  const more = ["--", "node", "-p", "process.execPath"];
  return execFileSync(npx, [...args, ...more], { encoding: "utf8" }).trim();
}

/** Seconds that a process took of the processor; where the system does not tell, all seconds. */
function secondsOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [user, system] = stat.slice(stat.lastIndexOf(")")).split(" ").slice(12, 14);
    return (Number(user) + Number(system)) / 100;
  } catch {
    return performance.now() / 1000;
  }
}

/** Tests mutants of sources that have the same tests. */
export class Workbench {
  readonly #folder = mkdtempSync(join(tmpdir(), "mutants-"));
  readonly #node = nodePath();
  readonly #files: readonly string[];
  readonly #known = new Map<string, Known>();
  /** The places of mutants that are reached as files are loaded: any test may notice them. */
  readonly #loaded = new Set<string>();

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
    this.#files = tests.map((test) => `${test}_test.ts`);
  }

  /**
   * Runs all tests without a mutant, to see what they take and which mutants they reach. Those
   * that take longer than `longest` are ended, and stay out.
   */
  async measure(
    longest: number,
    mutants: readonly Mutant[],
  ): Promise<{ tests: number; seconds: number; leftOut: string[] }> {
    const places: { [url: string]: number[] } = {};
    for (const { file, at } of mutants) (places[this.#url(file)] ??= []).push(at);
    await this.list();
    const groups = new Map<string, Set<string>>(), leftOut: string[] = [];
    let order = [...this.#known.keys()], all = 0;
    this.#known.clear();
    while (order.length > 0) {
      let reached = this.#loaded, name: string | undefined, began = 0, seconds = 0;
      const { status, by } = await this.#run({ places, order }, (line, now) => {
        if ("loads" in line) {
          reached = this.#loaded;
          name = undefined;
        } else if ("begins" in line) {
          name = line.begins;
          began = now;
          // What a group prepares runs in its first test only.
          const group = line.prepared ?? name;
          if (!groups.has(group)) groups.set(group, new Set());
          reached = groups.get(group)!;
          return longest;
        } else if ("ends" in line) seconds = now - began;
        else if ("reached" in line) {
          for (const [url, found] of Object.entries(line.reached)) {
            for (const at of found) reached.add(`${url}:${at}`);
          }
          if (name === undefined) return MEASURING;
          if (seconds > longest) leftOut.push(name);
          else {
            this.#known.set(name, { seconds, reaches: reached, kills: 0 });
            all += seconds;
          }
        }
        return MEASURING;
      });
      if (status === "survived") break;
      if (status === "killed" || by === undefined) {
        throw new Error(`Fails without a mutant: ${by}`);
      }
      leftOut.push(by); // the others go on in another process
      order = order.slice(order.indexOf(by) + 1);
    }
    if (this.#known.size === 0) {
      throw new Error(`Every test takes more than ${longest} s: raise --longest`);
    }
    return { tests: this.#known.size, seconds: all, leftOut };
  }

  /** What `measure` found, for `restore` of another one over the same sources. */
  save(): string {
    const root = this.#url(""),
      shortened = (places: Iterable<string>) =>
        [...places].map((place) => place.slice(root.length));
    const known = [...this.#known].map(([name, { seconds, reaches }]) => {
      return [name, seconds, shortened(reaches ?? [])] as const;
    });
    return JSON.stringify({ known, loaded: shortened(this.#loaded) } satisfies Measured);
  }

  /** Takes what was measured before. */
  restore(text: string): void {
    const { known, loaded }: Measured = JSON.parse(text), root = this.#url("");
    for (const place of loaded) this.#loaded.add(root + place);
    for (const [name, seconds, places] of known) {
      const reaches = new Set(places.map((place) => root + place));
      this.#known.set(name, { seconds, reaches, kills: 0 });
    }
  }

  /** Looks which tests there are, without running them. Gives their number. */
  async list(): Promise<number> {
    const { status } = await this.#run({ isListed: true }, (line) => {
      if ("begins" in line) {
        this.#known.set(line.begins, { seconds: GUESSED, reaches: undefined, kills: 0 });
      }
      return MEASURING;
    });
    if (status !== "survived") throw new Error("The tests cannot be loaded");
    return this.#known.size;
  }

  /**
   * Tests a mutant, with the tests first that most likely kill it, for their time.
   *
   * @param budget Seconds of the processor after which it is said to survive.
   */
  async test(mutant: Mutant, budget = Infinity): Promise<Outcome> {
    const path = join(this.#folder, mutant.file), original = readFileSync(path);
    const place = `${this.#url(mutant.file)}:${mutant.at}`, isLoaded = this.#loaded.has(place);
    const worth = ({ kills, seconds }: Known) => (kills + 0.1) / (seconds + 0.01);
    const order = [...this.#known]
      .filter(([, { reaches }]) => reaches === undefined || isLoaded || reaches.has(place))
      .sort(([, a], [, b]) => worth(b) - worth(a)).map(([name]) => name);
    if (order.length === 0) return { status: "survived", asked: 0 };
    writeFileSync(path, mutant.source);
    let asked = 0, last: Known | undefined, began = 0, isOver = false;
    try {
      const { status, by } = await this.#run({ order }, (line, now) => {
        if (last?.reaches === undefined && last !== undefined) last.seconds = now - began;
        last = undefined;
        isOver ||= now > budget;
        if (isOver) return 0;
        if (!("begins" in line)) return LOADING;
        asked++;
        began = now;
        last = this.#known.get(line.begins)!;
        const isKnown = last.reaches !== undefined || last.seconds !== GUESSED;
        return isKnown ? last.seconds * PATIENCE + SLACK : UNKNOWN;
      });
      if (isOver) return { status: "survived", asked };
      if (by !== undefined) this.#known.get(by)!.kills++;
      return { status, by, asked };
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

  /** Runs tests, in an order or all of them. */
  async #run(what: Omit<Task, "folder" | "files">, listener: Listener): Promise<Outcome> {
    const task: Task = { folder: this.#url("tests/"), files: this.#files, ...what };
    writeFileSync(join(this.#folder, "task.json"), JSON.stringify(task));
    const { NODE_COMPILE_CACHE: _, ...env } = process.env;
    // Compiled code that comes out of a cache counts whole functions only.
    const cache = what.places ? {} : { NODE_COMPILE_CACHE: join(this.#folder, "compiled") };
    const child: ChildProcess = spawn(
      this.#node,
      ["--max-old-space-size=1024", "scripts/quality/mutate/run_tests.ts", "task.json"],
      {
        cwd: this.#folder,
        stdio: ["ignore", "pipe", "ignore"],
        env: { ...env, ...cache, TMPDIR: join(this.#folder, "temporary") },
      },
    );
    const pid = child.pid!;
    let test: string | undefined, isPassed = false, isLate = false, last = 0, latest = 0;
    const allow = (seconds: number) => {
      last = secondsOf(pid) + seconds;
      latest = performance.now() + 1000 * IDLE * seconds;
    };
    allow(LOADING);
    const timer = setInterval(() => {
      if (secondsOf(pid) < last && performance.now() < latest) return;
      isLate = true;
      child.kill("SIGKILL");
    }, INTERVAL);
    const lines = createInterface({ input: child.stdout! });
    lines.on("line", (text) => {
      if (!text.startsWith("{")) return; // what a test prints
      const line: Line = JSON.parse(text);
      if ("passed" in line) {
        isPassed = true;
        child.kill("SIGKILL"); // which need not wait for what its threads still do
        return;
      }
      if ("loads" in line) test = undefined;
      if ("begins" in line) test = line.begins;
      allow(listener(line, secondsOf(pid)));
    });
    await new Promise((resolve) => lines.once("close", resolve));
    clearInterval(timer);
    child.kill("SIGKILL");
    if (isPassed) return { status: "survived" };
    return { status: isLate ? "timed out" : "killed", by: test };
  }
}
