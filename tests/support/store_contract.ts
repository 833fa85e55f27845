/**
 * The contract of backing stores, `./testing`, as a suite of the test runner. A backend joins with
 * one line, `storeContract("MyStore", { make: (byteLength) => new MyStore(byteLength) })`, and
 * names what it cannot do, with the reason, in `skip`.
 *
 * @module
 */

import { describe, it } from "@std/testing/bdd";
import { storeContract as casesOf, type StoreContractOptions } from "../../src/testing/mod.ts";

/** Tests a store against what `BackingStore` promises. */
export function storeContract(name: string, options: StoreContractOptions): void {
  describe(`${name}: store contract`, () => {
    for (const { name, skip, run } of casesOf(options)) {
      if (skip === undefined) it(name, run);
      else it({ name: `${name} (skipped: ${skip})`, ignore: true, fn() {} });
    }
  });
}
