/**
 * A sheet to draw on, and the SVG file that comes of it.
 *
 * @module
 */

import { style } from "../../../src/report/svg_style.ts";
import { escaped } from "../../../src/report/svg_text.ts";

/** A point: x to the right, y down, in pixels. */
export type Point = readonly [x: number, y: number];

/** A name of a colour: those of `reportSvg`, where `l0` to `l7` are the colours of labels. */
export type Colour = "used" | "free" | "padding" | "ground" | `l${0 | 1 | 2 | 3 | 4}`;

/** The width of every drawing: that of a column of text. */
export const WIDTH = 760;
/** What stays empty at the left and the right edge. */
export const MARGIN = 20;
/** Width of a character of class `m`. */
export const CHARACTER = 7.3;

const SANS = "system-ui,'Segoe UI','DejaVu Sans',sans-serif";
const MONO = "ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace";

// Behind the rules of reportSvg: larger letters, and lines, which it has none of.
const RULES = [
  `.suballoc text{font:13px ${SANS}}`,
  `.suballoc .m{font:12px ${MONO}}`,
  ".suballoc .b{font-weight:600}",
  ".suballoc .mid{text-anchor:middle}",
  ".suballoc .line,.suballoc .grid,.suballoc .hot,.suballoc .frame{fill:none;stroke-width:1.25}",
  ".suballoc .hot{stroke-width:2}",
  ".suballoc .dash{stroke-dasharray:4 3}",
  ...inks("#64748b", "#e2e8f0", "#c2410c", "#1e293b"),
  "@media (prefers-color-scheme:dark){",
  ...inks("#94a3b8", "#293548", "#fb923c", "#e2e8f0"),
  "}",
];

function inks(line: string, grid: string, hot: string, frame: string): string[] {
  return [
    `.suballoc .line{stroke:${line}}.suballoc .line-tip{fill:${line}}`,
    `.suballoc .grid{stroke:${grid}}`,
    `.suballoc .hot{stroke:${hot}}.suballoc .hot-tip,.suballoc .hot-text{fill:${hot}}`,
    `.suballoc .frame{stroke:${frame}}`,
  ];
}

/** Rectangles, lines, arrows and text, in the order in which they were drawn. */
export class Canvas {
  readonly #title: string;
  readonly #description: string;
  readonly #parts: string[] = [];

  /** An empty sheet with its heading, and what it shows for those who do not see it. */
  constructor(title: string, description: string) {
    this.#title = title;
    this.#description = description;
    this.text(MARGIN, 32, title, "title");
  }

  /** A filled rectangle, or an outline where the class is that of a line. */
  rect(x: number, y: number, width: number, height: number, look: string): void {
    const round = width > 8 && height > 8 ? ' rx="2"' : "";
    this.#parts.push(
      `<rect class="${look}" x="${at(x)}" y="${at(y)}" width="${at(width)}" ` +
        `height="${at(height)}"${round}/>`,
    );
  }

  /** A line of text; `look` may be some of m, b, mid, end, faint, on, hot-text. */
  text(x: number, y: number, text: string | number, look = ""): void {
    const styled = look === "" ? "" : ` class="${look}"`;
    this.#parts.push(`<text${styled} x="${at(x)}" y="${at(y)}">${escaped(String(text))}</text>`);
  }

  /** Lines of text below each other. */
  lines(x: number, y: number, lines: readonly string[], look = ""): void {
    lines.forEach((line, i) => this.text(x, y + 18 * i, line, look));
  }

  /** A line through some points. */
  line(points: readonly Point[], look = "line"): void {
    const path = points.map(([x, y]) => `${at(x)} ${at(y)}`).join("L");
    this.#parts.push(`<path class="${look}" d="M${path}"/>`);
  }

  /** A thick line between two points, in a colour that fills. */
  band([x, y]: Point, [toX, toY]: Point, look: string): void {
    const corners = [[x, y - 1], [toX, toY - 1], [toX, toY + 1], [x, y + 1]];
    const path = corners.map(([x, y]) => `${at(x)} ${at(y)}`).join("L");
    this.#parts.push(`<path class="${look}" d="M${path}z"/>`);
  }

  /** The same with a tip at its end. */
  arrow(points: readonly Point[], look: "line" | "hot" = "line"): void {
    const [x, y] = points[points.length - 1], [fromX, fromY] = points[points.length - 2];
    const length = Math.sqrt((x - fromX) ** 2 + (y - fromY) ** 2);
    const dx = (x - fromX) / length, dy = (y - fromY) / length;
    const side = (sign: number) =>
      `${at(x - 8 * dx - sign * 4 * dy)} ${at(y - 8 * dy + sign * 4 * dx)}`;
    this.line([...points.slice(0, -1), [x - 6 * dx, y - 6 * dy]], look);
    this.#parts.push(`<path class="${look}-tip" d="M${at(x)} ${at(y)}L${side(1)}L${side(-1)}z"/>`);
  }

  /** A square of a colour, and what it means; gives where the next one goes. */
  key(x: number, y: number, look: string, text: string): number {
    this.rect(x, y - 11, 13, 13, look);
    this.text(x + 19, y, text);
    return x + 19 + 7 * text.length + 18;
  }

  /** The whole file. */
  toSvg(height: number): string {
    // Written as it is meant: laid out like a page it would be twice as long.
    return `<!-- deno-fmt-ignore-file -->\n` +
      `<svg xmlns="http://www.w3.org/2000/svg" class="suballoc" role="img" ` +
      `width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}">\n` +
      `<title>${escaped(this.#title)}</title>\n<desc>${escaped(this.#description)}</desc>\n` +
      `<style>\n${style()}\n${RULES.join("\n")}\n</style>\n` +
      `<rect class="ground" width="${WIDTH}" height="${height}"/>\n` +
      `${this.#parts.join("\n")}\n</svg>\n`;
  }
}

/** A coordinate to a tenth of a pixel: runtimes may differ in the last bit of a logarithm. */
function at(value: number): number {
  if (!Number.isFinite(value)) throw new RangeError(`Expected a coordinate, got ${value}`);
  return Math.round(value * 10) / 10;
}
