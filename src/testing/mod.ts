/**
 * Tests for what users write themselves: the contract of backing stores, for any test runner.
 *
 * @module
 */

export type { BackingStore } from "../arena/mod.ts";
export { storeContract } from "./store_contract.ts";
export type { StoreCase, StoreContractOptions } from "./store_contract.ts";
export type { StoreFeature } from "./contract_case.ts";
