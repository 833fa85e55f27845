/**
 * The drawings in `docs/drawings/` are what the code draws today: well-formed, small, whole
 * within their frame, and shown by the guide.
 *
 * @module
 */

import { minCapacity } from "../../src/operations/mod.ts";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { drawings } from "../../scripts/docs/draw/drawings.ts";
import { binOf, binSize } from "../../src/util/bin_of.ts";
import { type Element, parseXml } from "../support/parse_xml.ts";

const docs = fileURLToPath(new URL("../../docs/", import.meta.url));
const MOST_BYTES = 20_000;
const drawn = await drawings();

/** The files of a folder by name. */
function filesIn(folder: string): Map<string, string> {
  const names = readdirSync(folder).sort();
  return new Map(names.map((name) => [name, readFileSync(folder + name, "utf8")]));
}

/** What is wrong with the files: the names of those that are missing, old or not drawn. */
function stale(files: ReadonlyMap<string, string>, drawn: ReadonlyMap<string, string>): string[] {
  const missing = [...drawn].filter(([name]) => !files.has(name)).map(([name]) => `no ${name}`);
  const old = [...drawn].filter(([name, svg]) => files.has(name) && files.get(name) !== svg)
    .map(([name]) => `old ${name}`);
  const others = [...files.keys()].filter((name) => !drawn.has(name)).map((name) =>
    `who draws ${name}`
  );
  return [...missing, ...old, ...others];
}

/** All elements of a document. */
function all(element: Element): Element[] {
  return [element, ...element.children.flatMap(all)];
}

/** The document behind the comment that keeps the formatter away. */
function parsed(svg: string): Element {
  return parseXml(svg.replace(/^<!--.*-->\n/, ""));
}

/** Left, top, right and bottom of a text, as wide as it is at least, or at most. */
function boxOf({ attributes, text }: Element, isWidest: boolean): number[] {
  const { x, y, class: look = "" } = attributes, words = look.split(" ");
  // The fonts of one width differ little; of the others, DejaVu is wider than most.
  const width = words.includes("m") ? 7.3 : isWidest ? 7.1 : 5.5;
  const long = text.length * (words.includes("title") ? 1.5 * width : width);
  const left = Number(x) - (words.includes("end") ? long : words.includes("mid") ? long / 2 : 0);
  return [left, Number(y) - 10, left + long, Number(y) + 2];
}

/** What of a picture is outside its frame, hides something, or would not be seen everywhere. */
function complaints(svg: string): string[] {
  const root = parsed(svg), elements = all(root), found: string[] = [];
  const [width, height] = [Number(root.attributes.width), Number(root.attributes.height)];
  const isInside = (left: number, top: number, right = left, bottom = top) =>
    left >= 0 && top >= 0 && right <= width && bottom <= height;
  if (svg.length > MOST_BYTES) found.push(`${svg.length} bytes`);
  if (/\bhref\b|@import|url\(|<(?:script|image)\b/.test(svg)) found.push("it loads something");
  if (!svg.includes("prefers-color-scheme:dark")) found.push("no dark colours");
  const [title, desc] = root.children;
  if (title.name !== "title" || desc.name !== "desc" || desc.text.length < 40) {
    found.push("no description");
  }
  const ground = elements.find(({ attributes }) => attributes.class === "ground");
  if (ground?.attributes.width !== root.attributes.width) found.push("no ground");

  for (const { attributes } of elements.filter(({ name }) => name === "rect")) {
    const { x = 0, y = 0 } = attributes, [left, top] = [Number(x), Number(y)];
    const [right, bottom] = [left + Number(attributes.width), top + Number(attributes.height)];
    if (!isInside(left, top, right, bottom)) found.push(`a rectangle at ${x} ${y}`);
  }
  for (const { attributes } of elements.filter(({ name }) => name === "path")) {
    for (const [, x, y] of attributes.d.matchAll(/[ML](\S+) ([-\d.]+)/g)) {
      if (!isInside(Number(x), Number(y))) found.push(`a line to ${x} ${y}`);
    }
  }
  const texts = elements.filter(({ name }) => name === "text");
  texts.forEach((element, i) => {
    const [left, top, right, bottom] = boxOf(element, true);
    if (!isInside(left, top, right, bottom)) found.push(`outside: ${element.text}`);
    const box = boxOf(element, false);
    for (const other of texts.slice(0, i)) {
      const there = boxOf(other, false);
      const isApart = box[2] <= there[0] || there[2] <= box[0] || box[3] <= there[1] ||
        there[3] <= box[1];
      if (!isApart) found.push(`${element.text} is over ${other.text}`);
    }
  });
  return found;
}

describe("the drawings of the guides", () => {
  const files = filesIn(`${docs}drawings/`);

  it("are what the code draws; if not, run scripts/docs/draw.ts and look at them", () => {
    assertEquals(stale(files, drawn), []);
  });

  it("are the same each time", async () => assertEquals(stale(await drawings(), drawn), []));

  for (const [name, svg] of drawn) {
    it(`${name} is small, complete and within its frame`, () => assertEquals(complaints(svg), []));
  }

  it("are all shown, each with a text for those who do not see it", () => {
    const guides = ["how_it_works.md", "performance.md"]
      .map((name) => readFileSync(docs + name, "utf8")).join("\n");
    const shown = [...guides.matchAll(/!\[([^\]]*)\]\(drawings\/([^)]+)\)/g)];
    assertEquals(shown.map(([, , name]) => name).sort(), [...drawn.keys()].sort());
    for (const [, text, name] of shown) assert(text.length > 20, name);
  });

  it("say of the bins what holds for all of them", () => {
    for (let exponent = 0; exponent < 31; exponent++) {
      for (const size of [2 ** exponent, 2 ** exponent + 1, Math.ceil(1.5 * 2 ** exponent) + 1]) {
        const coarse = minCapacity(size), fine = binSize(binOf(size - 1, 5) + 1, 5);
        assert(coarse / size < 1 + 1 / 8, `${size} goes to ${coarse}`);
        assert(fine / size < 1 + 1 / 32, `${size} goes to ${fine}`);
      }
    }
    assertStringIncludes(drawn.get("bins.svg") ?? "", "12.5 %: never reached");
  });

  it("show a crash that takes one put and no more", () => {
    const texts = all(parsed(drawn.get("blob_file.svg") ?? "")).map(({ text }) => text);
    assertEquals(texts.filter((text) => text === "torn").length, 1);
    for (const [text, times] of [["cat", 3], ["fox", 3], ["owl", 1], ["batch 5", 3]] as const) {
      assertEquals(texts.filter((other) => other === text).length, times, text);
    }
  });
});

describe("the check of the drawings can fail", () => {
  const svg = filesIn(`${docs}drawings/`).get("ring.svg") ?? "";
  const one = new Map([["a.svg", "<svg/>"]]);

  it("at a file that is missing, old, or drawn by nobody", () => {
    assertEquals(stale(new Map(), one), ["no a.svg"]);
    assertEquals(stale(new Map([["a.svg", "<svg></svg>"]]), one), ["old a.svg"]);
    assertEquals(stale(new Map([...one, ["b.svg", ""]]), one), ["who draws b.svg"]);
  });

  const broken: readonly (readonly [what: string, from: string | RegExp, to: string])[] = [
    ["a rectangle too far right", /(<rect class="frame dash" x=")\d+/, "$1755"],
    ["a text too far right", /(<text class="b mid" x=")[\d.]+/, "$1758"],
    ["a text over another", /(<text class="m" x="38" y=")\d+/, "$160"],
    ["a line above the frame", /d="M\d+/, 'd="M20 -5L20'],
    ["no dark colours", /prefers-color-scheme:dark/g, "print"],
    ["something loaded", "</svg>", '<image href="a.png"/></svg>'],
    ["no description", /<desc>[^<]*/, "<desc>ring"],
    ["no ground", 'class="ground" width', 'class="free" width'],
    ["too many bytes", "<desc>", `<desc>${" ".repeat(MOST_BYTES)}`],
  ];
  for (const [what, from, to] of broken) {
    it(`at ${what}`, () => {
      const changed = svg.replace(from, to);
      assert(changed !== svg, "nothing was changed");
      assert(complaints(changed).length > 0);
    });
  }
});
