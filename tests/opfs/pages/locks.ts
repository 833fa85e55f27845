/**
 * Who excludes whom among workers and tabs, what a dead one leaves, and a store that a page uses
 * through its worker: cases for a page of a browser.
 *
 * @module
 */

import {
  ConnectionLostError,
  RemoteBlobStore,
  StoreLockedError,
} from "../../../backends/opfs/mod.ts";
import { type Cases, dom, expect, helpersOf, newPath, openTab, pause, runCases } from "./cases.ts";
import { type Helper, startHelper } from "./page.ts";
import { sharing } from "./sharing.ts";

/** Whether readers share a file here, and exclude writers. */
async function hasModes(): Promise<boolean> {
  const one = startHelper(), two = startHelper(), path = newPath();
  await one.call("openFile", path, { create: true });
  await one.call("closeFile");
  await one.call("openFile", path, { readOnly: true });
  const outcome = await two.outcome("openFile", path, { readOnly: true, waitMs: 0 });
  one.worker.terminate();
  two.worker.terminate();
  return outcome === "none";
}

/** Who gets a store that is held: by another worker of this tab, or of another one. */
async function matrix(holder: Helper, other: Helper, areShared: boolean): Promise<void> {
  const path = newPath(), wait = { waitMs: 0 };
  await holder.call("open", path, { create: true });
  await holder.call("put", "a", "1");
  expect(await other.outcome("open", path, wait), "StoreLockedError", "writer beside writer");
  const reading = { readOnly: true, ...wait };
  expect(await other.outcome("open", path, reading), "StoreLockedError", "reader beside writer");
  expect(await other.outcome("openFile", path, wait), "StoreLockedError", "file beside store");
  await holder.call("close");
  await holder.call("open", path, { readOnly: true });
  const expected = areShared ? "none" : "StoreLockedError";
  expect(await other.outcome("open", path, reading), expected, "reader beside reader");
  if (areShared) await other.call("close");
  expect(await other.outcome("open", path, wait), "StoreLockedError", "writer beside reader");
  await holder.call("close");
  await other.call("open", path);
  expect(await other.call("get", "a"), "1", "what was put");
  await other.call("close");
}

const cases: Cases = {
  async "two workers of a tab"() {
    const [one, two] = [startHelper(), startHelper()];
    await matrix(one, two, await hasModes());
    one.worker.terminate();
    two.worker.terminate();
  },
  async "workers of two tabs"() {
    const tab = await openTab(), one = startHelper(), two = tab.startHelper!();
    const areShared = await hasModes();
    await matrix(one, two, areShared);
    await matrix(two, one, areShared);
    // The other way a dead one's lock is free: the tab is closed.
    const path = newPath();
    await two.call("open", path, { create: true });
    await two.call("put", "a", "2");
    tab.close();
    await one.call("open", path);
    expect(await one.call("get", "a"), "2", "after the tab was closed");
    one.worker.terminate();
  },
  async "a worker that is ended frees its store at once"() {
    const path = newPath();
    for (let i = 0; i < 5; i++) {
      const helper = startHelper();
      await helper.call("open", path, { create: true });
      await helper.call("put", `${i}`, `${i}`);
      helper.worker.terminate();
    }
    const helper = startHelper();
    await helper.call("open", path);
    expect(await helper.call("count"), 5, "blobs");
    helper.worker.terminate();
  },
  async "a page that is reloaded again and again always opens its store"() {
    const frame = dom.document.createElement("iframe"), path = newPath();
    frame.src = "/helpers";
    dom.document.body.append(frame);
    for (let i = 0; i < 8; i++) {
      const start = await helpersOf(frame.contentWindow), helper = start();
      await helper.call("open", path, { create: true });
      await helper.call("put", `${i}`, "x");
      expect(await helper.call("count"), i + 1, "blobs");
      const loaded = new Promise<void>((resolve) =>
        frame.addEventListener("load", resolve, { once: true })
      );
      frame.contentWindow.location.reload();
      await loaded;
    }
    frame.remove();
  },
  async "a page uses the store of its worker"() {
    const helper = startHelper(), path = newPath();
    void helper.call("serveAt", path, { create: true });
    const blobs = await RemoteBlobStore.connect(helper.worker);
    const bytes = new Uint8Array(3_000_000).map((_, i) => i * 7);
    await blobs.put("a", new Blob([bytes]), { metadata: { by: "page" } });
    expect((await blobs.stat("a"))!.size, 3_000_000, "size");
    const got = await blobs.get("a", { range: { offset: 1_000_000, length: 5 } });
    expect([...got!], [...bytes.subarray(1_000_000, 1_000_005)], "bytes");
    let length = 0;
    const reader = (await blobs.stream("a"))!.getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      length += next.value.length;
    }
    expect(length, 3_000_000, "streamed");
    await blobs.backup("pages/backup.blobs");
    await blobs.close();
    const other = startHelper();
    await other.call("open", "pages/backup.blobs");
    expect(await other.call("count"), 1, "blobs of the backup");
    await other.call("close");
    helper.worker.terminate();
    other.worker.terminate();
  },
  async "a worker that dies rejects what is under way"() {
    const helper = startHelper(), path = newPath();
    void helper.call("serveAt", path, { create: true });
    const blobs = await RemoteBlobStore.connect(helper.worker);
    await blobs.put("a", new Uint8Array(9_000_000));
    const stream = (await blobs.stream("a"))!.getReader();
    await stream.read();
    const endless = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: (controller) => controller.enqueue(new Uint8Array(1)),
    });
    const put = blobs.put("b", endless), start = performance.now();
    await pause(50);
    helper.worker.terminate();
    const errors: unknown[] = [await put.catch((error) => error)];
    errors.push(await blobs.get("a").catch((error) => error));
    try {
      for (let next = await stream.read(); !next.done;) next = await stream.read();
    } catch (error) {
      errors.push(error);
    }
    expect(errors.map((error) => error instanceof ConnectionLostError), [true, true, true], "lost");
    const took = performance.now() - start;
    if (took > 3000) throw new Error(`it took ${took} ms`);
  },
  async "a store that is locked is told to the page"() {
    const [one, two] = [startHelper(), startHelper()], path = newPath();
    await one.call("open", path, { create: true });
    void two.call("serveAt", path, { waitMs: 100 });
    const error = await RemoteBlobStore.connect(two.worker).catch((error) => error);
    expect(error instanceof StoreLockedError && error.path, path, "the error");
    one.worker.terminate();
    two.worker.terminate();
  },
};

Object.assign(globalThis, { results: runCases({ ...cases, ...sharing }) });
