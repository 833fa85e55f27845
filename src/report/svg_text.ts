/**
 * Text and numbers as they stand in an SVG file.
 *
 * @module
 */

/** Characters that XML cannot hold at all, and halves of characters. */
const NOT_XML = /(?![\t\n\r])[\p{Cc}\p{Cs}\ufffe\uffff]/gu;

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
};

/** A text that may stand between tags and in an attribute. */
export function escaped(text: string): string {
  return text.replace(NOT_XML, "\ufffd").replace(/[&<>"]/g, (character) => ESCAPES[character]);
}

/** A text of at most `most` characters; of a longer one the beginning and an ellipsis. */
export function shortened(text: string, most: number): string {
  const characters = [...text];
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join("")}…`;
}

/** A coordinate, to a hundredth of a pixel. */
export function pixels(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** A number of units with separators, the same in every locale: `1,234`. */
export function grouped(units: number): string {
  return String(units).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** A share of a whole: `12.3 %`. */
export function percent(part: number, whole: number): string {
  return `${(whole === 0 ? 0 : 100 * part / whole).toFixed(1)} %`;
}
