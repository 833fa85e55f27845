/** The command that replays a trace on every strategy. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type Absence, type Figures, type Report, stateBytes } from "../../cli/compare/measure.ts";
import { strategies } from "../../cli/compare/strategies.ts";
import { workloads } from "../../cli/compare/workloads.ts";
import { type Allocator, NO_SPACE } from "../../src/allocator.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { RecordingAllocator } from "../../src/trace/recording_allocator.ts";
import { seeded, withSeed } from "../support/random.ts";
import { run as runCommand, spawn } from "./cli_helpers.ts";
import { folder, newPath, removeAfterwards } from "../support/temporary_files.ts";

const NAMES = strategies.map(({ name }) => name);

removeAfterwards();

describe("compare", () => {
  it("has a row for each strategy, with the refusals of a naive replay", async () => {
    await withSeed(5, async (random) => {
      const lines: string[] = [], live: number[] = [];
      const allocator = new RecordingAllocator(new OffsetAllocator(4096), (l) => lines.push(l));
      for (let i = 0; i < 3000; i++) {
        if (live.length > 0 && random(100) < 48) {
          allocator.free(live.splice(random(live.length), 1)[0]);
        } else {
          const handle = allocator.allocate(1 + random(120));
          if (handle !== NO_SPACE) live.push(handle);
        }
      }
      const report = await json(["--quick", fileOf(lines)]);
      assertEquals(report.strategies.map(({ name }) => name), NAMES);
      assertEquals([report.capacity, report.operations], [4096, lines.length - 1]);
      strategies.forEach(({ name, make }, i) => {
        const figures = report.strategies[i] as Figures;
        assertEquals(figures.refused, naiveRefusals(lines, make(4096)), name);
        assert(figures.ns >= 0 && Number.isFinite(figures.ns), name);
        assert(figures.peakUsed >= figures.peakUnits, name);
        assert(figures.highWater >= figures.peakUnits, name);
        assert(figures.highWater <= 4096 && figures.peakUsed <= 4096, name);
        assert(figures.worstFragmentation >= figures.endFragmentation, name);
        assertEquals(figures.samples.length, 1 + Math.ceil(3000 / Math.ceil(3000 / 400)), name);
        assertEquals(figures.samples.at(-1)?.fragmentation, figures.endFragmentation, name);
      });
    });
  });

  it("measures what is plain to see", async () => {
    const lines = [header(100), '["a",20]', '["a",20]', '["a",20]', '["f",1]', '["a",70]'];
    const [figures] = (await json(["--quick", "--strategies", "offset", fileOf(lines)])).strategies;
    const { samples, endFragmentation, refused, peakUnits, peakUsed, highWater, padding } =
      figures as Figures;
    assertEquals(samples.map(({ step }) => step), [0, 1, 2, 3, 4, 5]);
    assertEquals(endFragmentation, 1 - 40 / 60);
    assertEquals([refused, peakUnits, peakUsed, highWater, padding], [1, 60, 60, 60, 0]);
  });

  it("measures memory where the runtime tells", () => {
    const bytes = stateBytes(() => new Float64Array(500_000)) ?? 4e6;
    assert(Math.abs(bytes - 4e6) < 4e5, `${bytes}`);
  });

  it("prints a table, and names the strategies that cannot", async () => {
    const { text, status } = await run([
      "--quick",
      fileOf([header(2 ** 40), '["a",5]', '["f",0]']),
    ]);
    assertEquals(status, 0);
    assertStringIncludes(text, "2 operations in a space of 1,099,511,627,776 units");
    for (const name of NAMES) assertMatch(text, new RegExp(`^${name} +\\S`, "m"));
    assertMatch(text, /^PageAllocator +Its units are pages/m);
    assertMatch(text, /^OffsetAllocator +\d+\.\d +0 +1\.00x +1\.00x +0\.0 %/m);
  });

  it("shows what is refused, skipped and beyond a strategy only where there is some", async () => {
    const plain = (await run(["--quick", fileOf([header(100), '["a",5]'])])).text;
    for (const title of ["resizes", "gained", "skipped", "unable"]) {
      assert(!plain.includes(title), title);
    }
    const lines = [header(100), '["A",50,10]', '["r",0,20]', '["a",80]', '["r",1,90]', '["f",1]'];
    const { text } = await run(["--quick", "--strategies", "Offset,linear", fileOf(lines)]);
    for (const title of ["skipped", "unable"]) assertStringIncludes(text, title);
    const report = await json(["--quick", "--strategies", "Offset,linear", fileOf(lines)]);
    const [offset, linear] = report.strategies as Figures[];
    assertEquals([offset.refused, offset.skipped, offset.unsupported], [1, 2, 0]);
    assertEquals([linear.refused, linear.skipped, linear.unsupported], [0, 1, 1]);
  });

  it("draws a well-formed chart with a line and a name for each strategy", async () => {
    const random = seeded(3), svg = newPath();
    const lines = Array.from({ length: 500 }, () => `["a",${1 + random(5)}]`);
    for (let id = 0; id < 500; id += 2) lines.push(`["f",${id}]`);
    const isWindows = process.platform === "win32"; // no such names there
    const trace = join(folder(), isWindows ? "a&b.jsonl" : 'a&b<c>"d.jsonl');
    writeFileSync(trace, [header(4096), ...lines].join("\n"));
    assertEquals((await run(["--quick", "--svg", svg, trace])).status, 0);
    const picture = readFileSync(svg, "utf8");
    assertEquals(damage(picture), []);
    assertStringIncludes(picture, isWindows ? "a&amp;b" : "a&amp;b&lt;c");
    for (const name of NAMES) assertStringIncludes(picture, `>${name}</text>`);
    assertEquals(picture.match(/fill="none"/g)?.length, NAMES.length);
    assertEquals(picture.match(/NaN|Infinity|undefined/g), null);
  });

  it("does with a trace of nothing", async () => {
    const svg = newPath();
    assertEquals((await run(["--quick", "--svg", svg, fileOf([header(0)])])).status, 0);
    const picture = readFileSync(svg, "utf8");
    assertEquals(damage(picture), []);
    assertEquals(picture.match(/NaN|Infinity|undefined/g), null);
  });

  it("takes an example, and saves its trace", async () => {
    const saved = newPath(), args = ["--quick", "--json", "--strategies", "Tlsf"];
    const example = await json(["--example", "churn100", "--save", saved, ...args]);
    assertEquals(example.trace, "churn100 (100 live)");
    assertEquals(example.operations, 500_100);
    assert(existsSync(saved));
    const read = readFileSync(saved, "utf8").split("\n");
    assertEquals(read.length, 500_102); // with the header, and what follows the last line end
    assertEquals([read[0], read.at(-1)], [header(2 ** 30), ""]);
  });

  it("names the examples and two strategies in its help", async () => {
    const { text, status } = await run(["--help"]);
    assertEquals(status, 0);
    assertStringIncludes(text, "Usage: blobs compare [trace.jsonl] [options]\n");
    assertStringIncludes(text, `\n  ${workloads.map(({ name }) => name).join(", ")}\n`);
    const longest = Math.max(...text.split("\n").map((line) => line.length));
    assert(longest <= 100, `${longest}`);
  });

  it("is only loaded when it runs", () => {
    const main = new URL("../../cli/mod.ts", import.meta.url);
    const loaded = new Set<string>();
    const load = (file: URL) => {
      if (loaded.has(file.href)) return;
      loaded.add(file.href);
      const source = readFileSync(file, "utf8");
      const imports = /^(?:import|export)\s+(?!type\b)(?:[^;"]*?from\s+)?"(\.[^"]+)"/gm;
      for (const [, path] of source.matchAll(imports)) load(new URL(path, file));
    };
    load(main);
    assert(loaded.size > 20, `${loaded.size}`);
    assertEquals([...loaded].filter((file) => file.includes("/cli/compare/")), []);
  });

  it("ends early when it is interrupted", async () => {
    const args = ["compare", "--quick", fileOf([header(100), '["a",5]'])];
    const { code, stdout, stderr } = await runCommand(args, { signal: AbortSignal.abort(143) });
    assertEquals([code, stdout, stderr], [143, "", ""]);
  });

  it("runs as a process", () => {
    const { code, stdout, stderr } = spawn([
      ...["compare", "--quick", "--strategies", "Offset"],
      fileOf([header(100), '["a",5]']),
    ]);
    assertEquals([code, stderr], [0, ""]);
    assertMatch(stdout, /^OffsetAllocator +\d/m);
  });

  it("complains of what it does not know", async () => {
    const good = fileOf([header(100)]);
    for (
      const [args, status, message] of [
        [["--fast", good], 2, "--fast"],
        [["--quick"], 2, "a trace or --example is missing"],
        [["--example", "mesh", good], 2, "a trace and --example exclude each other"],
        [[], 2, "a trace or --example is missing"],
        [[good, good], 2, "unexpected argument"],
        [["--example", "maze"], 2, 'unknown example "maze"; there are churn100'],
        [
          ["--strategies", "Offset,Heap", good],
          2,
          'unknown strategy "Heap"; there are OffsetAllocator',
        ],
        [["--example", "meshes"], 2, "lifo, mesh, tight: did you mean mesh?"],
        [[`${newPath()}none`], 1, 'none": ENOENT: no such file'],
        [["--save", join(newPath(), "no", "x"), good], 1, ': Cannot write "'],
        [[fileOf([header(100), '["a"]'])], 1, ": Cannot read line 2 of the trace"],
      ] as const
    ) {
      const result = await run([...args]);
      assertEquals(result.status, status, message);
      assertStringIncludes(result.complaint, message);
      assertEquals(result.text, "");
    }
  });

  it("counts a strategy that throws among those that cannot", async () => {
    const report = await json(["--quick", fileOf([header(2 ** 53 - 1), '["a",1]'])]);
    const absent = report.strategies.filter((result): result is Absence => "reason" in result);
    assert(absent.length > 0);
    for (const { reason } of absent) assert(reason.length > 10, reason);
  });
});

function header(capacity: number): string {
  return JSON.stringify({ format: "suballoc-trace", version: 1, capacity });
}

function fileOf(lines: readonly string[]): string {
  const path = newPath();
  writeFileSync(path, lines.join("\n"));
  return path;
}

async function run(args: readonly string[]) {
  const { code, stdout, stderr } = await runCommand(["compare", ...args]);
  return { status: code, text: stdout, complaint: stderr };
}

async function json(args: readonly string[]): Promise<Report> {
  const { status, text, complaint } = await await run(["--json", ...args]);
  assertEquals(status, 0, complaint);
  return JSON.parse(text);
}

/** What an allocator refuses of a trace of `a` and `f`. */
function naiveRefusals(lines: readonly string[], allocator: Allocator): number {
  const handles: number[] = [];
  let refused = 0;
  for (const line of lines.slice(1)) {
    const [letter, value, end] = JSON.parse(line);
    if (letter === "a") {
      const handle = allocator.allocate(value);
      if (handle === NO_SPACE) refused++;
      else if (end === "no") allocator.free(handle);
      handles.push(end === "no" ? NO_SPACE : handle);
    } else if (handles[value] !== NO_SPACE) allocator.free(handles[value]);
  }
  return refused;
}

/** What is wrong with a text as XML, as far as tags, attributes and entities go. */
function damage(xml: string): string[] {
  const open: string[] = [], found: string[] = [];
  const tag = /<(\/?)([a-z]+)((?:\s+[a-zA-Z-]+="[^"<&]*")*)\s*(\/?)>/g;
  for (const [, closing, name, , empty] of xml.matchAll(tag)) {
    if (closing === "/" && open.pop() !== name) found.push(`</${name}> closes another element`);
    else if (closing === "" && empty === "") open.push(name);
  }
  const text = xml.replace(tag, "").replace(/&(?:amp|lt);/g, "");
  if (open.length > 0) found.push(`${open} left open`);
  if (/[<&]/.test(text)) found.push(`stray < or & in ${text}`);
  return found;
}
