/**
 * Omissions of a transfer, told as they happen and counted for the end.
 *
 * @module
 */

import type { Invocation } from "./command.ts";
import { plural, quoted } from "./format.ts";

/** Something that was left out. */
export interface Notice {
  /** Its name or key. */
  readonly name: string;
  /** Why, as it reads after a colon. */
  readonly reason: string;
}

/** Tells what is left out of a transfer. */
export class Notices {
  /** Things that should have been transferred and were not: the transfer failed in part. */
  readonly refused: Notice[] = [];
  /** Things that are never transferred, such as links. */
  readonly skipped: Notice[] = [];
  /** Things transferred, but not quite as they are. */
  readonly notes: Notice[] = [];
  readonly #invocation: Invocation;

  /**
   * Begins with nothing left out.
   *
   * @param invocation Where it is told.
   */
  constructor(invocation: Invocation) {
    this.#invocation = invocation;
  }

  /** Tells of something that should have been transferred. */
  async refuse(name: string, reason: string): Promise<void> {
    this.refused.push({ name, reason });
    await this.#invocation.warn(`refused ${quoted(name)}: ${reason}`);
  }

  /** Tells of something that is never transferred. */
  async skip(name: string, reason: string): Promise<void> {
    this.skipped.push({ name, reason });
    await this.#invocation.warn(`skipped ${quoted(name)}: ${reason}`);
  }

  /** Tells of something that was transferred, but not quite as it is. */
  async note(name: string, reason: string): Promise<void> {
    this.notes.push({ name, reason });
    await this.#invocation.warn(`${quoted(name)}: ${reason}`);
  }

  /** The omissions, in words that follow the rest; empty where there were none. */
  summary(): string {
    const { refused, skipped } = this;
    return (refused.length > 0 ? `, ${plural(refused.length, "file")} refused` : "") +
      (skipped.length > 0
        ? `, ${plural(skipped.length, "entry").replace(/ys$/, "ies")} skipped`
        : "");
  }
}
