/**
 * Tabs that share a store, over ports of a shared worker and over channels: cases for a page of a
 * browser.
 *
 * @module
 */

import { ConnectionLostError, RemoteBlobStore } from "../../../backends/opfs/mod.ts";
import { type Cases, dom, expect, helpersOf, newPath, openTab, pause } from "./cases.ts";
import { type Helper, startHelper } from "./page.ts";

/** Bytes of a blob that goes in many chunks. */
const BIG = 2_000_000;

/** Which tab has the file open, once one has: the others say that they have not. */
async function ownerOf(helpers: readonly Helper[]): Promise<number> {
  for (let i = 0; i < 400; i++, await pause(20)) {
    const owners = await Promise.all(helpers.map((helper) => helper.call("isOwner")));
    if (owners.filter((isOwner) => isOwner).length > 1) throw new Error("there are two owners");
    if (owners.includes(true)) return owners.indexOf(true);
  }
  throw new Error("nobody takes over");
}

/** Waits until so many have a lock or wait for it. */
async function untilClaimed(name: string, count: number): Promise<void> {
  const { locks } = navigator as unknown as { locks: Locks };
  for (let i = 0; i < 1000; i++, await pause(20)) {
    const { held, pending } = await locks.query();
    if ([...held, ...pending].filter((lock) => lock.name === name).length === count) return;
  }
  throw new Error(`not ${count} claim ${name}`);
}

/** What is used of `navigator.locks`. */
interface Locks {
  query(): Promise<Record<"held" | "pending", { readonly name: string }[]>>;
}

/** Workers of this tab, in each of which a store is shared. */
async function shareIn(path: string, hasRelay: boolean, count: number): Promise<Helper[]> {
  const helpers: Helper[] = [];
  for (let i = 0; i < count; i++) {
    helpers.push(startHelper(hasRelay));
    await helpers[i].call("share", path, { create: true }, `${i}`);
  }
  return helpers;
}

function endAll(helpers: readonly Helper[]): void {
  for (const { worker } of helpers) worker.terminate();
}

/** Tabs read and write one store: small blobs, and big ones in chunks. */
async function useTogether(hasRelay: boolean): Promise<void> {
  const path = newPath(), tabs = [await openTab(), await openTab()];
  const helpers = [startHelper(hasRelay), ...tabs.map((tab) => tab.startHelper!(hasRelay))];
  for (const [i, helper] of helpers.entries()) {
    await helper.call("share", path, { create: true }, `${i}`);
  }
  expect(await ownerOf(helpers), 0, "the owner");
  const puts = helpers.map((helper, i) => helper.call("putOnAndOn", 100 * i, 100 * i + 20));
  expect(await Promise.all(puts), [0, 0, 0], "outcomes that are not known");
  const numbers = [0, 100, 200].flatMap((first) => Array.from({ length: 20 }, (_, i) => first + i));
  for (const helper of helpers) {
    expect(await helper.call("missing", numbers), [], "missing");
  }
  // The page of a tab that has the file not, through its worker and that of the owner.
  const blobs = await RemoteBlobStore.connect(helpers[0].worker);
  const other = await tabs[1].RemoteBlobStore!.connect(helpers[2].worker);
  const bytes = new Uint8Array(BIG).map((_, i) => i * 7);
  await other.put("blob", new Blob([bytes]));
  await other.put("stream", new Blob([bytes]).stream());
  for (const store of [blobs, other]) {
    let length = 0;
    const reader = (await store.stream("stream"))!.getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      const { value } = next;
      if (value[9] !== (7 * (length + 9)) % 256) throw new Error(`wrong bytes at ${length}`);
      length += value.length;
    }
    expect(length, BIG, "bytes of the stream");
    const got = (await store.get("blob"))!;
    if (!got.every((byte, i) => byte === bytes[i])) throw new Error("wrong bytes of the blob");
  }
  const { ports, channels } = await helpers[2].call("posted") as Record<string, number>;
  if (hasRelay !== ports > 100 || hasRelay !== channels < 20) {
    throw new Error(`${ports} messages through ports and ${channels} through channels`);
  }
  expect(await helpers[1].call("get", "log"), "0", "owners");
  endAll(helpers);
  for (const tab of tabs) tab.close();
}

/** Owners end one after the other, in every way there is, while others write. */
async function takeOver(hasRelay: boolean): Promise<void> {
  const path = newPath(), tab = await openTab(), frame = dom.document.createElement("iframe");
  frame.src = "/helpers";
  dom.document.body.append(frame);
  const inFrame = await helpersOf(frame.contentWindow);
  const helpers = [
    startHelper(hasRelay),
    tab.startHelper!(hasRelay),
    inFrame(hasRelay),
    startHelper(hasRelay),
    startHelper(hasRelay),
  ];
  for (const [i, helper] of helpers.entries()) {
    await helper.call("share", path, { create: true }, `${i}`);
  }
  const ends = [
    () => helpers[0].worker.terminate(),
    () => tab.close(),
    () => frame.contentWindow.location.reload(),
    () => helpers[3].call("close"),
  ];
  const last = helpers[4];
  for (const [i, end] of ends.entries()) {
    expect(await ownerOf(helpers.slice(i)), 0, `owner ${i}`);
    await pause(50); // it writes its name
    const before = last.acknowledged.length;
    const puts = last.call("putOnAndOn", 1000 * i, 1000 * i + 60);
    while (last.acknowledged.length < before + 20) await pause(5);
    await end();
    const unknown = await puts as number;
    if (unknown > 1) throw new Error(`${unknown} puts have an unknown outcome, one was under way`);
    expect(last.acknowledged.length, before + 60 - unknown, "puts that were acknowledged");
  }
  expect(await ownerOf([last]), 0, "the last owner");
  await pause(50);
  expect(await last.call("missing", last.acknowledged), [], "missing or damaged");
  expect(await last.call("get", "log"), "0 1 2 3 4", "owners, in the order of their openings");
  endAll(helpers.filter((_, i) => i !== 1 && i !== 2));
  frame.remove();
}

/** What becomes of calls of a page while the owner ends. */
async function underWay(hasRelay: boolean): Promise<void> {
  const path = newPath(), helpers = await shareIn(path, hasRelay, 3);
  const blobs = await RemoteBlobStore.connect(helpers[2].worker);
  await blobs.put("a", "1");
  const endless = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: (controller) => controller.enqueue(new Uint8Array(1)),
  });
  const put = blobs.put("b", endless).catch((error) => error);
  await pause(50);
  // It is busy: nothing that comes now is done.
  void helpers[0].call("block", 60_000);
  await pause(20);
  const calls = [blobs.get("a"), blobs.has("a"), blobs.stat("a"), blobs.stats(), blobs.flush()];
  const second = blobs.put("c", "3", { ifNoneMatch: "*" }).catch((error) => error);
  await pause(50);
  helpers[0].worker.terminate();
  for (const error of [await put, await second]) {
    if (error instanceof ConnectionLostError && error.isOutcomeUnknown) continue;
    throw new Error(`a put under way ends with ${error}`);
  }
  await Promise.all(calls);
  expect((await calls[0] as Uint8Array).length, 1, "bytes of a get");
  // The condition tells whether it was done.
  await blobs.put("c", "3", { ifNoneMatch: "*" });
  expect(await blobs.has("b"), false, "the blob that was never whole");
  endAll(helpers);
}

/** A store that cannot be opened is told to every tab; nobody has an empty one. */
async function failing(hasRelay: boolean): Promise<void> {
  const holder = startHelper(), path = newPath();
  await holder.call("open", path, { create: true });
  await holder.call("put", "a", "1");
  const helpers = [1, 2, 3].map(() => startHelper(hasRelay));
  const options = { create: true, waitMs: 300 };
  const outcomes = () => {
    return Promise.all(helpers.map((helper) => helper.outcome("share", path, options)));
  };
  expect(await outcomes(), Array(3).fill("StoreLockedError"), "locked");
  const pages = await Promise.all(helpers.map(async ({ worker }) => {
    return await RemoteBlobStore.connect(worker).catch((error) => error.name);
  }));
  expect(pages, Array(3).fill("StoreLockedError"), "told to the pages");
  await holder.call("close");
  expect(await outcomes(), Array(3).fill("none"), "then");
  expect(await helpers[2].call("get", "a"), "1", "what was put");
  endAll([holder, ...helpers]);
}

/** An owner that opens slowly, or is busy, is waited for. */
async function slow(hasRelay: boolean): Promise<void> {
  const path = newPath(), helpers = [startHelper(hasRelay), startHelper(hasRelay)];
  const holder = startHelper(), options = { create: true, waitMs: 30_000 };
  await holder.call("open", path, { create: true });
  const opened: Promise<unknown>[] = [];
  for (const [i, helper] of helpers.entries()) {
    opened.push(helper.call("share", path, options));
    await untilClaimed(`offset-allocator-owner:${path}`, i + 1);
  }
  await pause(300);
  await holder.call("close");
  await Promise.all(opened);
  expect(await ownerOf(helpers), 0, "the owner");
  const start = performance.now();
  void helpers[0].call("block", 1500);
  await pause(20);
  await helpers[1].call("put", "a", "1");
  expect(performance.now() - start > 1000, true, "the put waits");
  expect(await ownerOf(helpers), 0, "the owner still");
  endAll([holder, ...helpers]);
}

const CASES: Readonly<Record<string, (hasRelay: boolean) => Promise<void>>> = {
  "three tabs use one store": useTogether,
  "the next one takes over, and nothing acknowledged is missing": takeOver,
  "reads under way are done again, writes say that they may be done": underWay,
  "a store that cannot be opened is told to every tab": failing,
  "a slow owner stays the owner": slow,
};

/** The cases, over both routes. */
export const sharing: Cases = Object.fromEntries(
  Object.entries(CASES).flatMap(([name, body]) => [
    [`share over channels: ${name}`, () => body(false)],
    [`share over ports: ${name}`, () => body(true)],
  ]),
);
