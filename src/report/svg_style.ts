/**
 * The colours of the SVG picture, on light and on dark ground.
 *
 * @module
 */

/** Labels that have a colour of their own; the others share the colour of `used`. */
export const LABEL_COLOURS: number = 8;

// Two adjoining labels differ in hue and in lightness, for those who see few hues.
const LIGHT = "#0f766e #c2410c #7c3aed #65a30d #be185d #0891b2 #a16207 #4f46e5".split(" ");
const DARK = "#2dd4bf #fb923c #a78bfa #a3e635 #f472b6 #22d3ee #facc15 #818cf8".split(" ");

/**
 * The rules of one picture, for its `style` element. All begin with its class: a style in
 * an SVG that stands within a page holds for the whole page.
 */
export const STYLE: string = [
  `.suballoc text{font:11px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace}`,
  ".suballoc .title{font:600 16px system-ui,'Segoe UI','DejaVu Sans',sans-serif}",
  ".suballoc .note{font:12px system-ui,'Segoe UI','DejaVu Sans',sans-serif}",
  ".suballoc .end{text-anchor:end}",
  // Half-transparent cells lie on the colour of what is free.
  ...[0.25, 0.5, 0.75, 1].map((opacity, i) => `.suballoc .o${i + 1}{fill-opacity:${opacity}}`),
  ...theme({ ground: "#fff", text: "#1e293b", faint: "#64748b", on: "#fff" }, {
    used: "#2563eb",
    free: "#e2e8f0",
    padding: "#f59e0b",
  }, LIGHT),
  "@media (prefers-color-scheme:dark){",
  ...theme({ ground: "#0f172a", text: "#e2e8f0", faint: "#94a3b8", on: "#0f172a" }, {
    used: "#60a5fa",
    free: "#293548",
    padding: "#fbbf24",
  }, DARK),
  "}",
].join("\n");

function theme(
  ink: { ground: string; text: string; faint: string; on: string },
  kinds: Readonly<Record<string, string>>,
  labels: readonly string[],
): string[] {
  const fill = (name: string, colour: string) => `.suballoc .${name}{fill:${colour}}`;
  return [
    fill("ground", ink.ground),
    `.suballoc text{fill:${ink.text}}`,
    fill("faint", ink.faint),
    fill("on", ink.on),
    ...Object.entries(kinds).map(([kind, colour]) => fill(kind, colour)),
    ...labels.map((colour, i) => fill(`l${i}`, colour)),
  ];
}
