/** The SVG picture: well-formed, bounded in size, and true to the allocator. */

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { WideOffsetAllocator } from "../../src/allocators/wide_offset_allocator.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { reportSvg } from "../../src/report/report_svg.ts";
import { seeded, withSeed } from "../support/random.ts";
import { fixed, scattered } from "./report_helpers.ts";
import { type Element, parseXml } from "../support/parse_xml.ts";

/** All elements of a name. */
function all(root: Element, name: string): Element[] {
  return [...root.name === name ? [root] : [], ...root.children.flatMap((one) => all(one, name))];
}

const texts = (root: Element) => all(root, "text").map(({ text }) => text);

const ten = fixed({
  capacity: 1000,
  live: [[0, 100], [120, 200], [400, 300]],
  free: [[100, 20], [330, 70], [700, 300]],
});

describe("reportSvg", () => {
  it("is an accessible document with a heading", () => {
    const root = parseXml(reportSvg(ten, { title: "Vertex buffer" }));
    assertEquals([root.name, root.attributes.role], ["svg", "img"]);
    assertEquals(root.attributes.xmlns, "http://www.w3.org/2000/svg");
    const [title, desc] = root.children;
    assertEquals([title.name, title.text, desc.name], ["title", "Vertex buffer", "desc"]);
    assertStringIncludes(desc.text, "1,000 units · 3 allocations · 3 free regions");
    const [style] = all(root, "style");
    assertStringIncludes(style.text, "prefers-color-scheme:dark");
  });

  it("lists few regions with offset, size and label", () => {
    const labels = (handle: number) => handle === 2 ? "mesh 7" : undefined;
    const shown = texts(parseXml(reportSvg(ten, { labels })));
    const at = shown.indexOf("size") + 1;
    assertEquals(
      shown.slice(at),
      [
        ["0", "100", "used"],
        ["100", "20", "free"],
        ["120", "200", "mesh 7"],
        ["320", "10", "padding"],
        ["330", "70", "free"],
        ["400", "300", "used"],
        ["700", "300", "free"],
      ].flat(),
    );
    assertEquals(shown.slice(2, 6), [
      "mesh 7 20.0 %",
      "other allocations 40.0 %",
      "free 39.0 %",
      "padding 1.0 %",
    ]);
  });

  it("draws blocks as wide as regions are large", async () => {
    for (const seed of [1, 2, 3, 4]) {
      await withSeed(seed, (random) => {
        const allocator = scattered(random, 400 + 20 * seed);
        const root = parseXml(reportSvg(allocator, { width: 800 }));
        // Each group is a region; hairlines are taken off the blocks.
        const blocks = all(root, "g").flatMap((group) => all(group, "rect"));
        const rows = new Set(blocks.map(({ attributes }) => attributes.y)).size;
        const areas: Record<string, number> = {}, kinds = ["used", "free", "padding"];
        for (const { attributes } of blocks) {
          const width = Number(attributes.width);
          areas[attributes.class] = (areas[attributes.class] ?? 0) +
            (width > 2 ? width + 1 : width);
        }
        const sum = kinds.reduce((total, kind) => total + (areas[kind] ?? 0), 0);
        assert(Math.abs(sum / rows - 740) < 25, `rows of ${sum / rows} pixels`);
        const { freeSpace, capacity } = allocator;
        assert(Math.abs((areas.free ?? 0) / sum - freeSpace / capacity) < 0.03, "free area");
        const titles = all(root, "g").map((group) => group.children[0].text);
        for (const { offset, size } of allocator.allocations()) {
          assert(titles.includes(`used: ${size} at ${offset}`), `${size} at ${offset}`);
        }
      });
    }
  });

  it("keeps everything within its frame", async () => {
    for (const width of [320, 960, 2000]) {
      await withSeed(width, (random) => {
        for (const units of [10, 700, 30_000]) {
          const root = parseXml(reportSvg(scattered(random, units), { width }));
          const height = Number(root.attributes.height);
          for (const { attributes: { x = "0", y = "0", ...box } } of all(root, "rect")) {
            assert(Number(x) >= 0 && Number(x) + Number(box.width) <= width);
            assert(Number(y) >= 0 && Number(y) + Number(box.height) <= height);
          }
          for (const { attributes: { d } } of all(root, "path")) {
            for (const [, x, y, w] of d.matchAll(/M(\d+) ([\d.]+)h(\d+)/g)) {
              assert(Number(x) + Number(w) <= width && Number(y) < height);
            }
          }
        }
      });
    }
  });

  it("stays small, at 100,000 regions and just below a block each", () => {
    for (const regions of [1490, 1600, 100_000]) {
      const allocator = new OffsetAllocator(regions * 100), random = seeded(regions);
      const handles: number[] = [];
      for (let i = 0; i < regions; i++) handles.push(allocator.allocate(1 + random(99)));
      for (let i = 0; i < regions; i += 3) allocator.free(handles[i]);
      const labels = (handle: number) => `${handle % 9} is a ${"very ".repeat(30)}long label`;
      const svg = reportSvg(allocator, { labels });
      assert(svg.length < 300_000, `${regions} regions take ${svg.length} characters`);
      const root = parseXml(svg);
      assertEquals(all(root, "path").length > 0, regions > 1500);
    }
  });

  it("escapes labels and title", () => {
    const labels = () => `<&"'>\u0000\ud800 </text><script>`, title = "a < b && c";
    const root = parseXml(reportSvg(ten, { labels, title }));
    assertEquals(root.children[0].text, title);
    assertEquals(all(root, "script"), []);
    const shown = texts(root).filter((text) => text.startsWith("<&"));
    assert(shown.includes(`<&"'>\ufffd\ufffd </text><script>`), shown.join("\n"));
  });

  it("draws the emptiest, and the largest", () => {
    for (const capacity of [0, 1, Number.MAX_SAFE_INTEGER]) {
      const allocator = new WideOffsetAllocator(capacity);
      parseXml(reportSvg(allocator));
      allocator.allocate(0);
      allocator.allocate(Math.floor(capacity / 3));
      const svg = reportSvg(allocator, { width: 320 });
      parseXml(svg);
      assert(!/NaN|Infinity|undefined|-\d+px/.test(svg), svg);
    }
  });

  it("refuses a bad width", () => {
    for (const width of [319, 10_001, NaN]) {
      assertThrows(() => reportSvg(ten, { width }), RangeError, "width");
    }
    assertThrows(() => reportSvg(ten, { width: "400" as unknown as number }), TypeError, "width");
  });
});
