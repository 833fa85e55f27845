/**
 * What a path can lead to besides a file: pipes, devices, sockets, files of the system. The file
 * stores refuse them at once.
 *
 * @module
 */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Buffer } from "node:buffer";
import { execFileSync, spawn } from "node:child_process";
import * as fs from "node:fs";
import { createServer } from "node:net";
import process from "node:process";
import { type FileOpenOptions, FileStore, SyncFileStore } from "../../backends/file/mod.ts";
import { storageError } from "../support/store_helpers.ts";
import { newFile, newPath, removeAfterwards } from "../support/temporary_files.ts";

removeAfterwards();

const isPosix = process.platform !== "win32", isLinux = process.platform === "linux";
const stores = { FileStore, SyncFileStore };
const ways: FileOpenOptions[] = [{}, { readOnly: true }, { create: true }, {
  create: true,
  truncate: true,
}];

for (const [name, Store] of Object.entries(stores)) {
  /** What opening a path is refused with, however it is opened. */
  const assertRefused = async (path: string, reason: string) => {
    for (const options of ways) {
      const start = performance.now();
      const error = await storageError("open", async () => void await Store.open(path, options));
      assert(performance.now() - start < 4000, "it had to wait");
      assertStrictEquals(error.message, `Cannot open: ${reason} (${path})`);
    }
  };

  describe(`${name}.open`, () => {
    it({
      name: "refuses a named pipe without waiting for its other end",
      ignore: !isPosix,
      async fn() {
        const path = newPath();
        execFileSync("mkfifo", [path]);
        // Lets an opener that waits go on, after a while, so that this fails instead of waiting.
        const other = spawn("sh", ["-c", `sleep 5; : > '${path}'`], { stdio: "ignore" });
        try {
          await assertRefused(path, "it is a named pipe, not a file");
        } finally {
          other.kill();
        }
      },
    });

    it({
      name: "refuses devices, which it does not open",
      ignore: !isPosix,
      async fn() {
        for (const path of ["/dev/null", "/dev/zero", "/dev/tty"]) {
          await assertRefused(path, "it is a device, not a file");
        }
      },
    });

    it({
      name: "refuses a socket",
      ignore: !isPosix,
      async fn() {
        const path = newPath(), server = createServer();
        await new Promise<void>((resolve) => server.listen(path, resolve));
        await assertRefused(path, "it is a socket, not a file");
        await new Promise((resolve) => server.close(resolve));
      },
    });

    it({
      name: "refuses a file of the system that has bytes and no length",
      ignore: !isLinux,
      async fn() {
        const path = "/proc/version";
        const error = await storageError(
          "open",
          async () => void await Store.open(path, { readOnly: true }),
        );
        const reason = "it has bytes and no length, as files of the system have";
        assertStrictEquals(error.message, `Cannot open: ${reason} (${path})`);
      },
    });

    it("takes an empty file, and through a symbolic link one with bytes", async () => {
      const empty = await Store.open(newFile(), { readOnly: true });
      assertStrictEquals(empty.byteLength, 0);
      await empty.close();
      if (!isPosix) return;
      const link = newPath(), target = newFile(7);
      fs.symlinkSync(target, link);
      const linked = await Store.open(link);
      assertStrictEquals(linked.byteLength, 7);
      await linked.write(0, Buffer.from("through"));
      await linked.close();
      assertEquals(fs.readFileSync(target, "utf8"), "through");
    });

    it({
      name: "refuses the descriptor of a device",
      ignore: !isPosix,
      async fn() {
        const fd = fs.openSync("/dev/zero", "r");
        try {
          const error = await storageError("open", () => Store.from(fd));
          assertStrictEquals(error.message, "Cannot open: it is a device, not a file");
        } finally {
          fs.closeSync(fd);
        }
      },
    });
  });
}
