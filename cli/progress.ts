/**
 * A line that shows how far long work is.
 *
 * @module
 */

import { formatBytes } from "./format.ts";
import type { CommandOutput } from "./io.ts";

/** Milliseconds between two pictures; quicker work shows none. */
const REDRAW = 100;

/** A bar on a terminal; elsewhere it only counts. */
export class Progress {
  readonly #output: CommandOutput;
  readonly #total: number;
  readonly #start = performance.now();
  #drawnAt = this.#start;
  #done = 0;

  /**
   * Starts the clock.
   *
   * @param output Where the bar is drawn.
   * @param total Bytes to do; 0 where nobody knows.
   */
  constructor(output: CommandOutput, total: number = 0) {
    this.#output = output;
    this.#total = total;
  }

  /**
   * Counts bytes as done.
   *
   * @param bytes How many more.
   */
  advance(bytes: number): void {
    this.show(this.#done + bytes, this.#total);
  }

  /**
   * Shows a state.
   *
   * @param done Bytes done so far.
   * @param total Bytes in all; 0 where nobody knows.
   */
  show(done: number, total: number): void {
    this.#done = done;
    const now = performance.now();
    if (!this.#output.styled || now - this.#drawnAt < REDRAW) return;
    this.#drawnAt = now;
    this.#write(`\r${this.#picture(total, (now - this.#start) / 1000)}\x1b[K`);
  }

  /** Takes the bar away. */
  finish(): void {
    if (this.#drawnAt !== this.#start) this.#write("\r\x1b[K");
  }

  #picture(total: number, seconds: number): string {
    const done = formatBytes(this.#done).padStart(7);
    const rate = `${formatBytes(this.#done / seconds)}/s`.padStart(9);
    if (total === 0) return `  ${done}  ${rate}`;
    // What was counted may have grown since.
    const share = Math.min(1, this.#done / total);
    const percent = `${Math.floor(share * 100)} %`.padStart(5);
    const numbers = `${percent}  ${done} of ${formatBytes(total)}  ${rate}`;
    const width = Math.min(40, (this.#output.columns ?? 80) - numbers.length - 5);
    if (width < 5) return `  ${percent}`;
    const full = Math.floor(share * width);
    return `  ${"█".repeat(full)}${"·".repeat(width - full)} ${numbers}`;
  }

  #write(text: string): void {
    void this.#output.write(text);
  }
}
