/**
 * The map of an allocator as an SVG picture.
 *
 * @module
 */

import { checkSpace, type FreeSpace } from "../allocator.ts";
import { checkInteger } from "../util/check_integer.ts";
import { checkOptions } from "../util/check_options.ts";
import { checkType } from "../util/check_type.ts";
import { report } from "./report.ts";
import { labelGroups } from "./label_groups.ts";
import { type Labels, regionsOf, type ReportRegion } from "./regions.ts";
import { blockRows, cellRows, type DrawnPiece, MAX_BLOCKS } from "./svg_rows.ts";
import { LABEL_COLOURS, style } from "./svg_style.ts";
import { escaped, grouped, percent, pixels, shortened } from "./svg_text.ts";

/** Options of {@linkcode reportSvg}. */
export interface ReportSvgOptions {
  /** Width in pixels, at least 320; 960 by default. The height follows. */
  readonly width?: number | undefined;
  /** The heading; "Allocator" by default. */
  readonly title?: string | undefined;
  /** Returns the label of an allocation: the 8 labels of most units have a colour each. */
  readonly labels?: Labels | undefined;
}

const MARGIN = 20;
/** Width of a character of the offsets, and of the legend. */
const CHARACTER = 6.7;
/** Most regions that the list shows. */
const MAX_LISTED = 24;
const LINE = 19;

/**
 * Draws the space as rows of blocks, one a region; beyond 1,500 regions as rows of small cells,
 * each in the colour of its most frequent kind, paler the less of it is used. A list below the
 * picture has offset, size and label of up to 24 regions.
 *
 * The picture suits light and dark pages, and stays below 300 kB at the default width.
 *
 * @param allocator Any strategy, or a `RangeAllocator`; it does not change.
 * @param options Size, kinds and labels of the picture.
 * @returns An SVG document, which may also stand within an HTML page.
 * @throws {TypeError} `allocator` is none, or an option is not known or of the wrong type.
 * @throws {RangeError} `width` is not an integer in range.
 *
 * @example
 * ```ts
 * import { OffsetAllocator } from "@suballoc/offset-allocator";
 * import { reportSvg } from "@suballoc/offset-allocator/report";
 *
 * const allocator = new OffsetAllocator(1000);
 * const mesh = allocator.allocate(100);
 * const labels = (handle: number) => handle === mesh ? "mesh 7" : undefined;
 * const svg = reportSvg(allocator, { title: "Vertex buffer", labels });
 * ```
 */
export function reportSvg(allocator: FreeSpace, options: ReportSvgOptions = {}): string {
  checkSpace(allocator);
  checkOptions(options, "width title labels");
  const { width = 960, title = "Allocator", labels } = options;
  checkInteger("width", width, 320, 10_000);
  checkType("title", title, "string");
  checkType("labels", labels, "function");
  const regions = [...regionsOf(allocator, labels)];
  const groups = labelGroups(regions, LABEL_COLOURS);
  const colours = new Map(groups.map(({ label }, i) => [label, `l${i}`]));
  const colourOf = ({ kind, label }: ReportRegion) =>
    label === undefined ? kind : colours.get(label) ?? kind;
  const pieces: DrawnPiece[] = regions.filter(({ size }) => size > 0).map((region) => ({
    offset: region.offset,
    size: region.size,
    kind: colourOf(region),
    text: region.label,
  }));

  const { used, free, padding, capacity, fragmentation, ...sizes } = report(allocator);
  const summary = [
    `${grouped(capacity)} units`,
    `${grouped(sizes.allocations.count)} ${
      allocator.allocations === undefined ? "taken ranges" : "allocations"
    }`,
    `${grouped(sizes.freeRegions.count)} free regions, the largest ${
      grouped(sizes.freeRegions.max)
    }`,
    `fragmentation ${fragmentation.toFixed(3)}`,
    ...pieces.length > MAX_BLOCKS ? ["paler where less is used"] : [],
  ].join(" · ");

  const coloured = groups.reduce((sum, { units }) => sum + units, 0);
  const legend = legendOf(
    [
      ...groups.map(({ label, units }, i) => [`l${i}`, shortened(label, 24), units] as const),
      ["used", groups.length > 0 ? "other allocations" : "used", used - coloured],
      ["free", "free", free],
      ["padding", "padding", padding],
    ],
    capacity,
    width,
  );

  const last = pieces.at(-1)?.offset ?? 0;
  const left = Math.ceil(MARGIN + 8 + CHARACTER * Math.max(3, grouped(last).length));
  const area = { left, top: 74 + legend.height, width: width - left - MARGIN };
  const rows = pieces.length <= MAX_BLOCKS ? blockRows(pieces, area) : cellRows(pieces, area);
  const list = regions.length <= MAX_LISTED
    ? listOf(regions, colourOf, width, area.top + rows.height + 22)
    : { svg: "", height: 0 };
  const height = Math.ceil(area.top + rows.height + list.height + MARGIN);

  return `<svg xmlns="http://www.w3.org/2000/svg" class="suballoc" role="img" ` +
    `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">\n` +
    `<title>${escaped(title)}</title>\n<desc>${summary}</desc>\n<style>\n${style()}\n</style>\n` +
    `<rect class="ground" width="${width}" height="${height}"/>\n` +
    `<text class="title" x="${MARGIN}" y="32">${escaped(title)}</text>\n` +
    `<text class="note faint" x="${MARGIN}" y="52">${summary}</text>\n` +
    `${legend.svg}${rows.svg}${list.svg}</svg>\n`;
}

/** The legend: each colour's kind and its share of the space, in as many lines as that needs. */
function legendOf(
  entries: readonly (readonly [colour: string, name: string, units: number])[],
  capacity: number,
  width: number,
) {
  let svg = "", x = MARGIN, y = 68;
  for (const [colour, name, units] of entries) {
    const text = `${name} ${percent(units, capacity)}`;
    const needed = 18 + CHARACTER * [...text].length + 16;
    if (x > MARGIN && x + needed > width - MARGIN) [x, y] = [MARGIN, y + LINE];
    svg += `<rect class="${colour}" x="${pixels(x)}" y="${y}" width="12" height="12" rx="2"/>` +
      `<text x="${pixels(x + 18)}" y="${y + 10}">${escaped(text)}</text>\n`;
    x += needed;
  }
  return { svg, height: y - 68 + 24 };
}

/** The list of the regions, one a line, in two columns where they are many. */
function listOf(
  regions: readonly ReportRegion[],
  colourOf: (region: ReportRegion) => string,
  width: number,
  top: number,
) {
  const columns = regions.length > 12 && width >= 720 ? 2 : 1;
  const lines = Math.ceil(regions.length / columns), wide = (width - 2 * MARGIN) / columns;
  const digits = Math.max(6, ...regions.map(({ offset, size }) => grouped(offset + size).length));
  const [offsetEnd, sizeEnd] = [24 + CHARACTER * digits, 40 + 2 * CHARACTER * digits];
  const room = Math.floor((wide - sizeEnd - 24) / CHARACTER);
  let svg = "";
  for (let column = 0; column < columns; column++) {
    const x = MARGIN + column * wide;
    svg += `<text class="faint end" x="${pixels(x + offsetEnd)}" y="${top}">offset</text>` +
      `<text class="faint end" x="${pixels(x + sizeEnd)}" y="${top}">size</text>\n`;
  }
  regions.forEach((region, i) => {
    const x = MARGIN + Math.floor(i / lines) * wide, y = top + (i % lines + 1) * LINE;
    const { offset, size, label, kind } = region;
    svg +=
      `<rect class="${colourOf(region)}" x="${x}" y="${y - 10}" width="12" height="12" rx="2"/>` +
      `<text class="end" x="${pixels(x + offsetEnd)}" y="${y}">${grouped(offset)}</text>` +
      `<text class="end" x="${pixels(x + sizeEnd)}" y="${y}">${grouped(size)}</text>` +
      `<text${label === undefined ? ' class="faint"' : ""} x="${
        pixels(x + sizeEnd + 16)
      }" y="${y}">` +
      `${escaped(shortened(label ?? kind, Math.max(4, room)))}</text>\n`;
  });
  return { svg, height: 22 + (lines + 1) * LINE };
}
