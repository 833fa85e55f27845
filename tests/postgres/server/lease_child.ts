/**
 * A machine that leases blocks and uses their ids until all are used:
 * `lease_child.ts URL LIMIT MS`.
 *
 * @module
 */

import process from "node:process";
import { renewBlock, takeBlock, useIds } from "../../../examples/leases.ts";
import { NO_SPACE } from "../../../mod.ts";
import { openPool } from "./clients.ts";

const [url, limit, leaseMs] = process.argv.slice(2);
const { client, end } = openPool(url, 1);
const options = { size: 256, limit: Number(limit), leaseMs: Number(leaseMs) };
for (;;) {
  const block = await takeBlock(client, "p", String(process.pid), options);
  if (block === undefined || block.ids.freeSpace === 0) {
    const { rows: [{ count }] } = await client.query("SELECT count(*)::int AS count FROM used");
    if (count >= options.limit) break;
    await new Promise((resolve) => setTimeout(resolve, 30));
    continue;
  }
  const { first, ids } = block;
  for (let isOurs = true; isOurs && ids.freeSpace > 0;) {
    const taken: number[] = [];
    for (let id; taken.length < 64 && (id = ids.allocate()) !== NO_SPACE;) taken.push(first + id);
    isOurs = await useIds(client, "p", block, taken);
    await renewBlock(client, "p", block, options.leaseMs);
    await new Promise((resolve) => setTimeout(resolve, 5)); // others have a turn
  }
}
await end();
