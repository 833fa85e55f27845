/**
 * The ring of nodes, each an allocation and the gap before it, over five calls.
 *
 * @module
 */

import { binOf } from "../../../src/util/bin_of.ts";
import { OffsetAllocator } from "../../../src/allocators/offset_allocator.ts";
import { Canvas, MARGIN, WIDTH } from "./canvas.ts";
import { type RingNode, ringOf } from "./table_words.ts";

const CAPACITY = 100;
const SCALE = (WIDTH - 2 * MARGIN - 34) / CAPACITY;
const TOP = 92, ROW = 126, BAR = 34;
const COLOURS: Readonly<Record<string, string>> = { a: "used", b: "l0", c: "l2", d: "l1" };

/** Draws a real allocator after each of some calls, with the nodes that its snapshot has. */
export function drawRing(): string {
  const canvas = new Canvas(
    "One node for an allocation and the gap before it",
    "The space of an allocator of 100 units after five steps: three allocations; the second is " +
      "freed; a smaller one takes the front of the gap; the first is freed; and last the smaller " +
      "one, whose units and gaps on both sides become one gap.",
  );
  canvas.key(canvas.key(MARGIN, 58, "free", "gap: free units"), 58, "used", "allocation");

  const allocator = new OffsetAllocator(CAPACITY), handles = new Map<string, number>();
  const allocate = (name: string, size: number) => handles.set(name, allocator.allocate(size));
  const free = (name: string) => {
    allocator.free(handles.get(name) as number);
    handles.delete(name);
  };
  const steps: readonly (readonly [call: string, what: string, act: () => void])[] = [
    [
      "a = allocate(30), b = allocate(10), c = allocate(25)",
      "each takes the front of the last gap",
      () => {
        allocate("a", 30);
        allocate("b", 10);
        allocate("c", 25);
      },
    ],
    ["free(b)", "the node leaves the ring, its units go to the gap of c", () => free("b")],
    ["d = allocate(6)", "a new node before c takes the front of its gap", () => allocate("d", 6)],
    ["free(a)", "30 units go to the gap of d", () => free("a")],
    ["free(d)", "gap 30 + size 6 + gap 4: neighbours merge at once", () => free("d")],
  ];
  steps.forEach(([call, what, act], i) => {
    act();
    const y = TOP + i * ROW, names = new Map([...handles].map(([name, handle]) => [handle, name]));
    canvas.text(MARGIN, y, i + 1, "b hot-text");
    canvas.text(MARGIN + 18, y, call, "m");
    canvas.text(WIDTH - MARGIN, y, what, "faint end");
    drawNodes(canvas, ringOf(allocator), names, y + 12);
  });
  return canvas.toSvg(TOP + steps.length * ROW - 8);
}

/** The bar of the space and, below it, what belongs to which node. */
function drawNodes(
  canvas: Canvas,
  ring: readonly RingNode[],
  names: ReadonlyMap<number, string>,
  y: number,
): void {
  const centres: number[] = [];
  ring.forEach(({ offset, size, gap, handle, number }) => {
    const isEnd = number === 0, name = isEnd ? "end" : names.get(handle) as string;
    const start = MARGIN + (offset - gap) * SCALE, x = MARGIN + offset * SCALE;
    const end = x + (isEnd ? 34 : size * SCALE);
    if (gap > 0) {
      canvas.rect(start, y, gap * SCALE - 1, BAR, "free");
      const label = gap >= 10 ? `gap ${gap}` : gap;
      canvas.text(start + gap * SCALE / 2, y + (gap >= 10 ? 14 : 21), label, "mid");
      if (gap >= 10) canvas.text(start + gap * SCALE / 2, y + 29, `bin ${binOf(gap)}`, "mid faint");
    }
    if (isEnd) canvas.rect(x, y, 33, BAR, "frame dash");
    else {
      canvas.rect(x, y, size * SCALE - 1, BAR, COLOURS[name]);
      canvas.text((x + end) / 2, y + 15, name, "b on mid");
      canvas.text((x + end) / 2, y + 29, size, "on mid");
    }
    const low = y + BAR + 4, middle = (start + end) / 2;
    canvas.line([[start + 1, low], [start + 1, low + 6], [end - 2, low + 6], [end - 2, low]]);
    canvas.text(middle, low + 23, name, "b mid");
    centres.push(middle);
  });
  const line = y + BAR + 23;
  for (let i = 1; i < centres.length; i++) {
    canvas.arrow([[centres[i - 1] + 12, line], [centres[i] - 17, line]]);
  }
  const last = centres[centres.length - 1];
  canvas.arrow([
    [last, line + 10],
    [last, line + 18],
    [centres[0], line + 18],
    [centres[0], line + 9],
  ]);
}
