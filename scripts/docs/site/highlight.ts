/**
 * Code as HTML with comments, strings and keywords marked: no more than a reader needs to find
 * the way, and no library.
 *
 * @module
 */

const STRING = String.raw`"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'`;
const C_COMMENT = String.raw`\/\/.*|\/\*[^]*?\*\/`;
const SCRIPT_STRING = `${STRING}|${String.raw`\`(?:[^\`\\]|\\.)*\``}`;

const SCRIPT = grammar(
  C_COMMENT,
  SCRIPT_STRING,
  "as async await break case catch class const continue default do else export extends finally " +
    "for from function if import in instanceof interface let new null of return satisfies " +
    "static switch this throw true try type typeof undefined using void while yield false",
);

const GRAMMARS: Readonly<Record<string, RegExp>> = {
  ts: SCRIPT,
  js: SCRIPT,
  json: grammar("(?!)", STRING, "true false null"),
  // An apostrophe in a comment opens nothing: comments are found first, from a blank on.
  sh: grammar(String.raw`(?<=^|\s)#.*`, STRING, ""),
  html: grammar("<!--[^]*?-->", STRING, "script type"),
  cpp: grammar(
    C_COMMENT,
    STRING,
    "auto bool break case class const else false for if include int namespace nullptr return " +
      "static struct true uint32 uint64_t uint32_t using void while",
  ),
  // A lifetime is no string.
  rust: grammar(
    C_COMMENT,
    String.raw`"(?:[^"\\]|\\.)*"`,
    "as else enum false fn for if impl in let loop match mod move mut pub ref return self " +
      "struct trait true unsafe use where while",
  ),
};

/** Comments, strings and keywords of a language, in groups of these names. */
function grammar(comment: string, string: string, keywords: string): RegExp {
  const keyword = keywords === "" ? "(?!)" : `(?<![\\w$.])(?:${keywords.replaceAll(" ", "|")})\\b`;
  return new RegExp(
    `(?<comment>${comment})|(?<string>${string})|(?<keyword>${keyword}(?!\\s*:))`,
    "gm",
  );
}

/** Text as it stands in HTML, also within an attribute. */
export function escapeHtml(text: string): string {
  const named: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return text.replace(/[&<>"]/g, (character) => named[character]);
}

/** Code as HTML; that of an unknown language without marks. */
export function highlight(code: string, language: string): string {
  const grammar = GRAMMARS[language];
  if (grammar === undefined) return escapeHtml(code);
  let html = "", end = 0;
  for (const { 0: text, index, groups } of code.matchAll(grammar)) {
    const kind = Object.keys(groups!).find((name) => groups![name] !== undefined);
    html += escapeHtml(code.slice(end, index)) +
      `<span class="${kind}">${escapeHtml(text)}</span>`;
    end = index + text.length;
  }
  return html + escapeHtml(code.slice(end));
}
