/**
 * An arena whose store grows, and whose regions move together.
 *
 * @module
 */

import { compact } from "../../../src/arena/compact.ts";
import { MemoryStore } from "../../../backends/memory.ts";
import { Arena } from "../../../src/arena/arena.ts";
import type { Region } from "../../../src/arena/region.ts";
import { Canvas, MARGIN, WIDTH } from "./canvas.ts";

const TOP = 88, ROW = 102, BAR = 34;
const KIB = 1024;
const COLOURS = ["used", "l0", "l1", "l2", "l4"] as const;

/** What is where after a step. */
interface Row {
  readonly call: string;
  readonly what: string;
  readonly byteLength: number;
  readonly regions: ReadonlyMap<string, { readonly offset: number; readonly size: number }>;
}

/** Draws the regions of a real arena after each of four steps. */
export function drawArena(): string {
  const rows = run(), longest = Math.max(...rows.map(({ byteLength }) => byteLength));
  const scale = (WIDTH - 2 * MARGIN) / longest;
  const canvas = new Canvas(
    "An arena grows, and compacts",
    "The bytes of a store after four steps: regions a, b and c; one more that makes the store " +
      "longer; a and c freed, which leaves holes; and compact(), which moves the others together.",
  );
  canvas.text(
    MARGIN,
    56,
    "a store of 4 KiB that may become 16; below each row: offsets, and its length",
    "faint",
  );
  rows.forEach(({ call, what, byteLength, regions }, i) => {
    const y = TOP + i * ROW;
    canvas.text(MARGIN, y, i + 1, "b hot-text");
    canvas.text(MARGIN + 18, y, call, "m");
    canvas.text(WIDTH - MARGIN, y, what, "faint end");
    canvas.rect(MARGIN, y + 12, byteLength * scale, BAR, "free");
    canvas.text(MARGIN + byteLength * scale, y + 62, byteLength, "m end faint");
    for (const [name, { offset, size }] of regions) {
      const x = MARGIN + offset * scale;
      const before = rows[i - 1]?.regions.get(name);
      canvas.rect(x, y + 12, size * scale - 1, BAR, COLOURS["abcd".indexOf(name)]);
      canvas.text(x + size * scale / 2, y + 34, `${name} ${size}`, "mid on b");
      canvas.text(x + 1, y + 62, offset, "m faint");
      if (before === undefined || before.offset === offset) continue;
      const from = MARGIN + (before.offset + size / 2) * scale, to = x + size * scale / 2;
      canvas.arrow(
        [[from, y - ROW + 12 + BAR + 4], [from, y - 22], [to, y - 22], [to, y + 10]],
        "hot",
      );
    }
  });
  return canvas.toSvg(TOP + rows.length * ROW - 16);
}

function run(): Row[] {
  const arena = new Arena(new MemoryStore(4 * KIB, { maxByteLength: 16 * KIB }), {
    maxByteLength: 16 * KIB,
  });
  const rows: Row[] = [], live = new Map<string, Region<MemoryStore>>();
  const allocate = (name: string, size: number) => {
    const region = arena.allocate(size, { alignment: 16, label: name });
    if (region === undefined) throw new Error("Expected the arena to have room");
    live.set(name, region);
  };
  const note = (call: string, what: string) => {
    const regions = new Map([...live].map(([name, { offset, size }]) => [name, { offset, size }]));
    rows.push({ call, what, byteLength: arena.byteLength, regions });
  };
  allocate("a", 1 * KIB);
  allocate("b", 1.5 * KIB);
  allocate("c", 1 * KIB);
  note("allocate 1024, 1536, 1024 bytes", "512 bytes are left");
  const before = arena.byteLength;
  allocate("d", 2 * KIB);
  note("allocate 2048 more", `the store grows by ${arena.byteLength - before} bytes`);
  for (const name of ["a", "c"]) {
    live.get(name)?.free();
    live.delete(name);
  }
  note("a.free(), c.free()", "two holes");
  const { moves, bytes } = compact(arena);
  note("compact()", `${moves} moves, ${bytes} bytes copied; b and d stay valid`);
  return rows;
}
