/**
 * A program that ends with an idle value in a pool, whose timer has 25 days to go.
 *
 * @module
 */

import { AsyncPool } from "../../../src/pool/mod.ts";

const pool = new AsyncPool({ create: () => ({}), max: 1, idleTimeout: 2 ** 31 - 1 });
pool.release(await pool.acquire());
console.log(pool.stats().free);
