/**
 * The figures of the benchmark, and how the rounds of a measure become a row of them.
 *
 * @module
 */

import { OURS } from "./contestants.ts";

export type Unit = "blobs/s" | "ms" | "bytes" | "times";

/** What one contestant came to. */
export interface Figure {
  readonly value: number;
  /** How many times slower than the blob store: the median over the rounds. */
  readonly ratio?: number;
}

/** One line of the table. */
export interface Row {
  /** Names the target, too. */
  readonly id: string;
  readonly label: string;
  readonly unit: Unit;
  /** By contestant. */
  readonly figures: Readonly<Record<string, Figure>>;
}

/** All rows of one work. */
export interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
}

/** All figures of one runtime. */
export interface Report {
  readonly runtime: string;
  readonly engine: string;
  readonly cpu: string;
  /** The columns. */
  readonly contestants: readonly string[];
  readonly sections: readonly Section[];
}

/** What each contestant took in each round, in milliseconds, or what else was measured. */
export class Rounds {
  readonly #values: Map<string, number[]> = new Map();

  add(contestant: string, value: number): void {
    const values = this.#values.get(contestant);
    if (values === undefined) this.#values.set(contestant, [value]);
    else values.push(value);
  }

  /** The medians, and of each peer the median of its ratios to the blob store. */
  compared(id: string, label: string, unit: Unit): Row {
    const ours = this.#values.get(OURS)!;
    return this.#row(id, label, unit, (values, name) => {
      const value = unit === "blobs/s" ? 1000 / median(values) : median(values);
      if (name === OURS) return { value };
      return { value, ratio: median(values.map((ms, i) => ms / ours[i])) };
    });
  }

  /** The medians alone. */
  medians(id: string, label: string, unit: Unit): Row {
    return this.#row(id, label, unit, (values) => ({ value: median(values) }));
  }

  /** The medians of all rounds together, and the ratios of these. */
  comparedMedians(id: string, label: string, unit: Unit): Row {
    const ours = median(this.#values.get(OURS)!);
    return this.#row(id, label, unit, (values, name) => {
      const value = median(values);
      return name === OURS ? { value } : { value, ratio: value / ours };
    });
  }

  /** The largest of each. */
  maxima(id: string, label: string, unit: Unit): Row {
    return this.#row(id, label, unit, (values) => ({ value: Math.max(...values) }));
  }

  #row(
    id: string,
    label: string,
    unit: Unit,
    figure: (values: readonly number[], name: string) => Figure,
  ): Row {
    const figures = [...this.#values].map(([name, values]) => [name, figure(values, name)]);
    return { id, label, unit, figures: Object.fromEntries(figures) };
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b), middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
