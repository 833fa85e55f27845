/**
 * The child of the kill test: told a path and a number, it writes to the store there,
 * operation after operation from that number on, and prints each number once it is
 * acknowledged. It ends when it is killed.
 *
 * @module
 */

import { writeSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { BlobStore, ConditionFailedError } from "../../../backends/blob_store/mod.ts";
import { type Operation, operation, OPTIONS } from "./kill_operations.ts";

// Everything is loaded by now; the parent says when to start.
const line = await new Promise<string>((resolve) => {
  createInterface({ input: process.stdin }).once("line", resolve);
});
const { path, from } = JSON.parse(line);
const store = await BlobStore.open(path, { create: true, ...OPTIONS });
writeSync(1, "open\n");
for (let number: number = from;; number++) {
  try {
    await perform(operation(number));
  } catch (error) {
    if (!(error instanceof ConditionFailedError)) throw error; // there was nothing to take
  }
  writeSync(1, `${number}\n`);
}

async function perform(todo: Operation): Promise<void> {
  if (todo.type === "put") await store.put(todo.key, todo.value, { metadata: todo.metadata! });
  else if (todo.type === "delete") await store.delete(todo.key);
  else if (todo.type === "batch") await store.batch(todo.operations);
  else if ("to" in todo) await store[todo.type](todo.from, todo.to);
  else await store[todo.type]();
}
