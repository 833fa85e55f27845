/**
 * What every backing store must do, as cases that any test runner can run.
 *
 * @module
 */

import type { BackingStore } from "../arena/backing_store.ts";
import { checkInteger, describe } from "../util/check_integer.ts";
import { checkOptions } from "../util/check_options.ts";
import { byteCases } from "./byte_cases.ts";
import type { CaseContext, StoreFeature } from "./contract_case.ts";
import { methodCases } from "./method_cases.ts";

/** How a store takes part in the contract. */
export interface StoreContractOptions {
  /**
   * Makes a store of `byteLength` zeros. Each case calls it once, and closes the store at its end
   * where the store has a `close`. The largest asks for 8 MiB.
   */
  readonly make: (byteLength: number) => BackingStore | Promise<BackingStore>;
  /**
   * Makes two stores over the same `byteLength` zeros. The cases flush the first and reload the
   * second. Without it the feature `pair` is skipped.
   */
  readonly makePair?:
    | ((
      byteLength: number,
    ) => readonly [BackingStore, BackingStore] | Promise<readonly [BackingStore, BackingStore]>)
    | undefined;
  /** Bytes of which every length is a multiple; 1 by default. */
  readonly step?: number | undefined;
  /** What the store cannot do, and why. Every store names `sync` or `async` here. */
  readonly skip?: Readonly<Partial<Record<StoreFeature, string>>> | undefined;
}

/** One promise of a store, as a test. */
export interface StoreCase {
  /** What the store does. */
  readonly name: string;
  /** Why the case is skipped; `undefined` where it runs. */
  readonly skip: string | undefined;
  /** Makes a store and tests it. It rejects with an error that names what failed. */
  readonly run: () => Promise<void>;
}

const FEATURES = "resize shrink flush close copyWithin view async sync pair";

/**
 * The contract of {@linkcode BackingStore} as a list of cases. The cases know no test runner:
 * register each by its name.
 *
 * The contract asks for zeros in a new store and in what `resize` adds, for agreement with a plain
 * array over 1,200 random operations, for errors that leave everything as it was, and for reads and
 * writes in flight that do not disturb each other. It cannot see whether a flush survives the loss
 * of power.
 *
 * @param options How to make a store, and what it cannot do.
 * @returns 24 cases. They share nothing, and may run in any order.
 * @throws {TypeError} `make` is no function, or an option or a feature is not known.
 *
 * @example
 * ```ts
 * import { MemoryStore } from "@suballoc/offset-allocator";
 * import { storeContract } from "@suballoc/offset-allocator/testing";
 *
 * const cases = storeContract({
 *   make: (byteLength) => new MemoryStore(byteLength),
 *   skip: {
 *     async: "it is synchronous",
 *     resize: "its length is fixed",
 *     shrink: "its length is fixed",
 *     flush: "memory is not durable",
 *     close: "there is nothing to release",
 *   },
 * });
 * for (const { skip, run } of cases) { // or test(name, { skip }, run) with a test runner
 *   if (skip === undefined) await run();
 * }
 * ```
 */
export function storeContract(options: StoreContractOptions): StoreCase[] {
  checkOptions(options, "make makePair step skip");
  const { make, makePair, step = 1, skip = {} } = options;
  checkFunction("options.make", make);
  if (makePair !== undefined) checkFunction("options.makePair", makePair);
  checkInteger("options.step", step, 1);
  checkOptions(skip, FEATURES, "options.skip");
  const reasons = makePair === undefined ? { pair: "no makePair is given", ...skip } : skip;
  const context: CaseContext = {
    lengthOf: (byteLength) => Math.ceil(byteLength / step) * step,
    lacks: (feature) => reasons[feature] !== undefined,
  };
  return [...byteCases(), ...methodCases()].map(
    ({ name, feature, byteLength = 1000, test }) => ({
      name,
      skip: feature && reasons[feature],
      async run() {
        const length = context.lengthOf(byteLength);
        const isPair = feature === "pair" && makePair !== undefined;
        const stores = isPair ? await makePair(length) : [await make(length)];
        try {
          await test(stores[0], context, stores[1]);
        } finally {
          for (const store of stores) await store.close?.();
        }
      },
    }),
  );
}

function checkFunction(name: string, value: unknown): void {
  if (typeof value === "function") return;
  throw new TypeError(`Expected ${name} to be a function, got ${describe(value)}`);
}
