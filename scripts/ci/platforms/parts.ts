/**
 * Parts of a check that runs on many platforms: each passes, fails, or is skipped because what it
 * needs cannot be had. A skipped part is named, with the reason.
 *
 * @module
 */

import process from "node:process";

/** What a part needs cannot be had: it is skipped. Anything else that it throws is a failure. */
export class CannotBeHad extends Error {
  /** The name of the class. */
  override readonly name: string = "CannotBeHad";
}

/** Shows one thing on one platform; returns what it came to, in a line or nothing. */
export type Part = () => Promise<string>;

/** What came of a part. */
interface Outcome {
  readonly name: string;
  readonly kind: "passed" | "FAILED" | "skipped";
  readonly seconds: number;
  readonly text: string;
}

/** How a summary names a part that did not run. */
export const SKIPPED = "skipped: ";

/**
 * Runs parts, some at a time, and ends the process: with 0 where none failed and one passed.
 *
 * @param named The parts to run; all, if none is named.
 * @param atOnce How many run at a time.
 * @param cleanUp Ends what parts share.
 */
export async function runParts(
  parts: Readonly<Record<string, Part>>,
  named: readonly string[],
  atOnce: number,
  cleanUp: () => Promise<void> = () => Promise.resolve(),
): Promise<never> {
  const unknown = named.filter((name) => !Object.hasOwn(parts, name));
  if (unknown.length > 0) {
    console.error(`No part ${unknown.join(", ")}; there are ${Object.keys(parts).join(", ")}`);
    process.exit(2);
  }
  const left = named.length > 0 ? [...named] : Object.keys(parts), outcomes: Outcome[] = [];
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (let name; (name = left.shift()) !== undefined;) {
      const outcome = await runPart(name, parts[name]);
      outcomes.push(outcome);
      console.log(lineOf(outcome));
      if (outcome.kind === "FAILED") console.log(outcome.text);
    }
  }));
  await cleanUp();
  const count = (kind: Outcome["kind"]) => outcomes.filter((one) => one.kind === kind).length;
  console.log("");
  for (const outcome of outcomes) console.log(lineOf(outcome));
  const passed = count("passed"), failed = count("FAILED");
  console.log(`${passed} passed, ${failed} failed, ${count("skipped")} skipped`);
  process.exit(failed === 0 && passed > 0 ? 0 : 1);
}

async function runPart(name: string, part: Part): Promise<Outcome> {
  const start = performance.now();
  const [kind, text] = await part().then(
    (text) => ["passed", text] as const,
    (error) =>
      error instanceof CannotBeHad
        ? ["skipped", error.message] as const
        : ["FAILED", String(error?.message ?? error)] as const,
  );
  return { name, kind, text, seconds: (performance.now() - start) / 1000 };
}

function lineOf({ name, kind, seconds, text }: Outcome): string {
  if (kind === "skipped") return `${SKIPPED}${name} because ${text}`;
  const time = `${seconds.toFixed(1).padStart(6)} s`;
  return `${name.padEnd(24)} ${kind} ${time}${kind === "passed" && text ? `  ${text}` : ""}`;
}
