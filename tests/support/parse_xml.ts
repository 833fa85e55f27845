/**
 * A reader of the XML that pictures are written in: strict, and no more than they need.
 *
 * @module
 */

/** An element, its text without that of its children. */
export interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: Element[];
  text: string;
}

const TAG = /<(\/?)([A-Za-z][\w:-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/y;
const TEXT = /[^<]+/y;
const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
};

/** The one element of a document; throws where it is not well-formed. */
export function parseXml(xml: string): Element {
  const control = xml.match(/(?![\t\n\r])\p{Cc}|\p{Cs}|[\ufffe\uffff]/u);
  if (control !== null) throw new Error(`a character XML cannot hold, at ${control.index}`);
  const root: Element = { name: "", attributes: {}, children: [], text: "" }, open = [root];
  for (let at = 0; at < xml.length;) {
    const inside = open[open.length - 1], pattern = xml[at] === "<" ? TAG : TEXT;
    pattern.lastIndex = at;
    const match = pattern.exec(xml);
    if (match === null) throw new Error(`no tag at ${at}: ${xml.slice(at, at + 40)}`);
    at = pattern.lastIndex;
    const [whole, closing, name, attributes, empty] = match;
    if (pattern === TEXT) inside.text += unescaped(whole);
    else if (closing !== "") {
      if (inside.name !== name) throw new Error(`</${name}> closes <${inside.name}>`);
      open.pop();
    } else {
      const element = { name, attributes: attributesOf(attributes), children: [], text: "" };
      inside.children.push(element);
      if (empty === "") open.push(element);
    }
  }
  if (open.length > 1) throw new Error(`<${open[open.length - 1].name}> is not closed`);
  if (root.children.length !== 1 || root.text.trim() !== "") throw new Error("not one element");
  return root.children[0];
}

function attributesOf(text: string): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const [, name, value] of text.matchAll(/([\w:-]+)="([^"]*)"/g)) {
    if (name in attributes) throw new Error(`${name} is there twice`);
    attributes[name] = unescaped(value);
  }
  return attributes;
}

function unescaped(text: string): string {
  return text.replace(/&(\w*)(;?)/g, (whole, name, end) => {
    if (end === "" || !(name in ENTITIES)) throw new Error(`no entity: ${whole}`);
    return ENTITIES[name];
  });
}
