/**
 * The contract of backing stores against stores that break it: each case finds a planted bug, and
 * each bug is found. Then what the contract refuses.
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { checkBytes, checkRange, StorageError } from "../../src/arena/mod.ts";
import {
  type BackingStore,
  storeContract,
  type StoreContractOptions,
} from "../../src/testing/mod.ts";
import { checkInteger } from "../../src/util/mod.ts";

/** The most that the plain stores can have; two of the largest case. */
const MOST = 2 ** 24;

/** Bytes that several stores share. */
interface Shared {
  bytes: Uint8Array;
}

/** A store that does all that a synchronous one can do, method by method replaceable. */
class PlainStore {
  readonly shared: Shared;
  /** The length that this one knows of. */
  byteLength: number;
  readonly maxByteLength = MOST;
  isClosed = false;

  constructor(shared: Shared) {
    this.shared = shared;
    this.byteLength = shared.bytes.length;
  }

  checkOpen(operation: "read" | "write" | "resize" | "flush"): void {
    if (this.isClosed) throw new StorageError(operation, 0, 0, "the store is closed");
  }

  read(offset: number, into: Uint8Array): void {
    this.checkOpen("read");
    checkBytes("into", into);
    checkRange("read", offset, into.length, this.byteLength);
    into.set(this.shared.bytes.subarray(offset, offset + into.length));
  }

  write(offset: number, data: Uint8Array): void {
    this.checkOpen("write");
    checkBytes("data", data);
    checkRange("write", offset, data.length, this.byteLength);
    this.shared.bytes.set(data, offset);
  }

  view(offset: number, length: number): Uint8Array {
    checkRange("view", offset, length, this.byteLength);
    return this.shared.bytes.subarray(offset, offset + length);
  }

  copyWithin(from: number, to: number, length: number): void {
    checkRange("copy", from, length, this.byteLength);
    checkRange("copy", to, length, this.byteLength);
    this.shared.bytes.copyWithin(to, from, from + length);
  }

  resize(byteLength: number): void {
    this.checkOpen("resize");
    checkInteger("byteLength", byteLength);
    if (byteLength > MOST) throw new StorageError("resize", 0, byteLength, "the limit is reached");
    const before = this.shared.bytes;
    this.shared.bytes = new Uint8Array(byteLength);
    this.shared.bytes.set(before.subarray(0, byteLength));
    this.byteLength = byteLength;
  }

  flush(): void {
    this.checkOpen("flush");
  }

  reload(): void {
    this.byteLength = this.shared.bytes.length;
  }

  close(): void {
    this.isClosed = true;
  }
}

/** The same, with promises: each call is done a moment after. */
class SlowStore {
  readonly plain: PlainStore;

  constructor(shared: Shared) {
    this.plain = new PlainStore(shared);
  }

  get byteLength(): number {
    return this.plain.byteLength;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    await undefined;
    this.plain.read(offset, into);
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    await undefined;
    this.plain.write(offset, data);
  }

  async resize(byteLength: number): Promise<void> {
    await undefined;
    this.plain.resize(byteLength);
  }

  async flush(): Promise<void> {
    await undefined;
    this.plain.flush();
  }

  async close(): Promise<void> {
    await undefined;
    this.plain.close();
  }
}

type Kind<S> = new (shared: Shared) => S;

const newBytes = (byteLength: number): Shared => ({ bytes: new Uint8Array(byteLength) });

/** The cases over stores of one class. */
function casesOf(Store: Kind<BackingStore>, skip: StoreContractOptions["skip"]) {
  return storeContract({
    make: (byteLength) => new Store(newBytes(byteLength)),
    makePair(byteLength) {
      const shared = newBytes(byteLength);
      return [new Store(shared), new Store(shared)];
    },
    skip,
  });
}

/** The names of the cases that a class of stores fails. */
async function failedBy(
  Store: Kind<BackingStore>,
  skip: StoreContractOptions["skip"],
): Promise<string[]> {
  const failed: string[] = [];
  for (const { name, skip: reason, run } of casesOf(Store, skip)) {
    if (reason !== undefined) continue;
    try {
      await run();
    } catch {
      failed.push(name);
    }
  }
  return failed;
}

const SYNC = { async: "it is synchronous" };
const ASYNC = { sync: "it is asynchronous", copyWithin: "none", view: "none", pair: "no reload" };

/** Stores with one bug each, by the words of the case that must find it. */
const PLANTED: readonly (readonly [bug: string, found: string, Store: Kind<BackingStore>])[] = [
  [
    "one byte too long",
    "exactly as long",
    class extends PlainStore {
      constructor(shared: Shared) {
        shared.bytes = new Uint8Array(shared.bytes.length + 1);
        super(shared);
      }
    },
  ],
  [
    "old bytes in a new store",
    "exactly as long",
    class extends PlainStore {
      constructor(shared: Shared) {
        super(shared);
        shared.bytes.fill(1, -1);
      }
    },
  ],
  [
    "takes one byte when empty",
    "may be empty",
    class extends PlainStore {
      override write(offset: number, data: Uint8Array): void {
        if (this.byteLength > 0 || data.length === 0) super.write(offset, data);
      }
    },
  ],
  ...[1, 2, 3].map((seed) =>
    [
      "loses one write in ten",
      `seed ${seed}`,
      class extends PlainStore {
        writes = 0;
        override write(offset: number, data: Uint8Array): void {
          super.write(offset, ++this.writes % 10 === 0 ? data.subarray(1) : data);
        }
      },
    ] as const
  ),
  [
    "writes the whole buffer of a view",
    "bytes of a view",
    class extends PlainStore {
      override write(offset: number, data: Uint8Array): void {
        super.write(offset, data.length === 3 ? new Uint8Array(data.buffer) : data);
      }
    },
  ],
  [
    "reads into the whole buffer",
    "bytes of a view",
    class extends PlainStore {
      override read(offset: number, into: Uint8Array): void {
        super.read(offset, into.length === 5 ? new Uint8Array(into.buffer) : into);
      }
    },
  ],
  [
    "keeps the caller's array",
    "keeps a copy",
    class extends PlainStore {
      override write(offset: number, data: Uint8Array): void {
        super.write(offset, data);
        const isWhole = offset === 0 && data.length === this.byteLength && data.length > 0;
        if (isWhole) this.shared.bytes = data;
      }
    },
  ],
  [
    "clamps an offset",
    "bad offset",
    class extends PlainStore {
      override read(offset: number, into: Uint8Array): void {
        super.read(offset < 0 ? 0 : offset, into);
      }
    },
  ],
  [
    "writes before it looks",
    "bad offset",
    class extends PlainStore {
      override write(offset: number, data: Uint8Array): void {
        if (offset === 0.5) this.shared.bytes.set(data);
        super.write(offset, data);
      }
    },
  ],
  [
    "takes any view",
    "no Uint8Array",
    class extends PlainStore {
      override write(offset: number, data: Uint8Array): void {
        super.write(offset, ArrayBuffer.isView(data) ? new Uint8Array(data.buffer) : data);
      }
    },
  ],
  [
    "takes a lost view for an empty one",
    "lost its bytes",
    class extends PlainStore {
      override write(offset: number, data: Uint8Array): void {
        if (data?.byteLength !== 0) return super.write(offset, data);
        checkRange("write", offset, 0, this.byteLength);
      }
    },
  ],
  [
    "reads what there is",
    "beyond its end",
    class extends PlainStore {
      override read(offset: number, into: Uint8Array): void {
        checkBytes("into", into);
        super.read(offset, into.subarray(0, Math.max(0, this.byteLength - offset)));
      }
    },
  ],
  [
    "writes what there is room for",
    "beyond its end",
    class extends PlainStore {
      override write(offset: number, data: Uint8Array): void {
        const room = this.byteLength - offset;
        if (room > 0 && data?.length > room) this.shared.bytes.set(data.subarray(0, room), offset);
        super.write(offset, data);
      }
    },
  ],
  [
    "refuses no bytes at the end",
    "nothing anywhere",
    class extends PlainStore {
      override read(offset: number, into: Uint8Array): void {
        if (into?.length === 0) checkRange("read", offset, 1, this.byteLength);
        super.read(offset, into);
      }
    },
  ],
  [
    "new bytes are not zero",
    "grows with zeros",
    class extends PlainStore {
      override resize(byteLength: number): void {
        const before = this.byteLength;
        super.resize(byteLength);
        this.shared.bytes.fill(9, before);
      }
    },
  ],
  [
    "a torn resize: the last page is lost",
    "grows with zeros",
    class extends PlainStore {
      override resize(byteLength: number): void {
        const before = this.byteLength;
        super.resize(byteLength);
        if (byteLength > before) this.shared.bytes.fill(0, before - before % 512, before);
      }
    },
  ],
  [
    "a resize that fails half way",
    "above its limit",
    class extends PlainStore {
      override resize(byteLength: number): void {
        if (byteLength > MOST && Number.isSafeInteger(byteLength)) {
          super.resize(this.byteLength - 1);
        }
        super.resize(byteLength);
      }
    },
  ],
  [
    "rounds a length",
    "bad length",
    class extends PlainStore {
      override resize(byteLength: number): void {
        super.resize(byteLength === 0.5 ? this.byteLength : byteLength);
      }
    },
  ],
  [
    "keeps what was cut off",
    "shrinks",
    class extends PlainStore {
      cut: Uint8Array = new Uint8Array(0);
      override resize(byteLength: number): void {
        const before = this.byteLength;
        if (byteLength < before) this.cut = this.shared.bytes.slice(byteLength);
        super.resize(byteLength);
        if (byteLength > before) {
          this.shared.bytes.set(
            this.cut.subarray(0, byteLength - before),
            before,
          );
        }
      }
    },
  ],
  [
    "copies forward",
    "ranges that overlap",
    class extends PlainStore {
      override copyWithin(from: number, to: number, length: number): void {
        checkRange("copy", from, length, this.byteLength);
        checkRange("copy", to, length, this.byteLength);
        for (let i = 0; i < length; i++) this.shared.bytes[to + i] = this.shared.bytes[from + i];
      }
    },
  ],
  [
    "shows a copy",
    "in place",
    class extends PlainStore {
      override view(offset: number, length: number): Uint8Array {
        return super.view(offset, length).slice();
      }
    },
  ],
  [
    "returns promises",
    "returns no promise",
    class extends PlainStore {
      override flush(): Promise<void> {
        super.flush();
        return Promise.resolve();
      }
    },
  ],
  [
    "loses at a flush",
    "flushes",
    class extends PlainStore {
      override flush(): void {
        super.flush();
        this.shared.bytes.fill(0);
      }
    },
  ],
  [
    "cannot flush twice",
    "flushes",
    class extends PlainStore {
      flushes = 0;
      override flush(): void {
        super.flush();
        if (++this.flushes > 1) throw new StorageError("flush", 0, 0, "once is enough");
      }
    },
  ],
  [
    "reads on when closed",
    "closed once",
    class extends PlainStore {
      override read(offset: number, into: Uint8Array): void {
        const { isClosed } = this;
        this.isClosed = false;
        super.read(offset, into);
        this.isClosed = isClosed;
      }
    },
  ],
  [
    "cannot be closed twice",
    "closed once",
    class extends PlainStore {
      override close(): void {
        if (this.isClosed) throw new StorageError("close", 0, 0, "it is closed");
        super.close();
      }
    },
  ],
  [
    "reads its own cache after a reload",
    "what it has flushed",
    class extends PlainStore {
      cache: Uint8Array | undefined;
      override read(offset: number, into: Uint8Array): void {
        if (offset !== 0 || into?.length !== this.byteLength) return super.read(offset, into);
        this.cache ??= this.shared.bytes.slice();
        into.set(this.cache);
      }
    },
  ],
  [
    "does not look at the length",
    "become longer",
    class extends PlainStore {
      override reload(): void {}
    },
  ],
  [
    "throws before it returns a promise",
    "returns a promise",
    class extends SlowStore {
      override read(offset: number, into: Uint8Array): Promise<void> {
        checkRange("read", offset, into.length, this.byteLength);
        return super.read(offset, into);
      }
    },
  ],
  [
    "is done before it is asked for",
    "returns a promise",
    class extends SlowStore {
      override flush(): Promise<void> {
        return this.plain.flush() as unknown as Promise<void>;
      }
    },
  ],
  [
    "one scratch page for all writes",
    "in flight apart",
    class extends SlowStore {
      readonly page = new Uint8Array(4096);
      override async write(offset: number, data: Uint8Array): Promise<void> {
        if (!(data?.length <= 4096)) return await super.write(offset, data);
        this.page.set(data);
        await super.write(offset, this.page.subarray(0, data.length));
      }
    },
  ],
  [
    "whole pages, read and written back",
    "in flight apart",
    class extends SlowStore {
      override async write(offset: number, data: Uint8Array): Promise<void> {
        if (!(data?.length < 512 && offset >= 0 && offset + data.length < this.byteLength - 512)) {
          return await super.write(offset, data);
        }
        const start = offset - offset % 512;
        const pages = new Uint8Array(1024);
        await super.read(start, pages.subarray(0, Math.min(1024, this.byteLength - start)));
        pages.set(data, offset - start);
        await super.write(start, pages.subarray(0, Math.min(1024, this.byteLength - start)));
      }
    },
  ],
];

/** What stores of a class skip: those without `reload` are the slow ones. */
const skipsOf = (Store: Kind<BackingStore>) => "reload" in Store.prototype ? SYNC : ASYNC;

describe("the contract of stores", () => {
  for (
    const [what, Store, skip] of [["sync", PlainStore, SYNC], ["async", SlowStore, ASYNC]] as const
  ) {
    it(`is kept by a plain ${what} store`, async () => {
      assertEquals(await failedBy(Store, skip), []);
    });
  }

  for (const [bug, found, Store] of PLANTED) {
    it(`finds a store that breaks it: ${bug} (${found})`, async () => {
      const failed = await failedBy(Store, skipsOf(Store));
      assert(failed.some((name) => name.includes(found)), `found by: ${failed.join("; ")}`);
    });
  }

  it("has no case that finds nothing", () => {
    const names = new Set(
      [PlainStore, SlowStore].flatMap((Store) =>
        casesOf(Store, skipsOf(Store)).filter(({ skip }) => skip === undefined).map(({ name }) =>
          name
        )
      ),
    );
    assert(names.size === 24, `${names.size} cases`);
    const idle = [...names].filter((name) => !PLANTED.some(([, found]) => name.includes(found)));
    assertEquals(idle, []);
  });

  it("says why a case is skipped, and closes what it has made", async () => {
    const made: PlainStore[] = [];
    const cases = storeContract({
      make(byteLength) {
        made.push(new PlainStore(newBytes(byteLength)));
        return made[made.length - 1];
      },
      skip: SYNC,
    });
    const reasons = new Set(cases.map(({ skip }) => skip));
    assertEquals([...reasons].sort(), ["it is synchronous", "no makePair is given", undefined]);
    for (const { skip, run } of cases) if (skip === undefined) await run();
    assert(made.length > 15 && made.every(({ isClosed }) => isClosed), `${made.length} stores`);
  });

  it("refuses options that it does not know", () => {
    const make = () => new PlainStore(newBytes(0));
    const refused: [unknown, string][] = [
      [{ make: 5 }, "Expected options.make to be a function, got 5"],
      [{ make, makePair: [] }, "Expected options.makePair to be a function, got an object"],
      [{ make, step: 0 }, "Expected options.step to be an integer from 1"],
      [{ make, skips: {} }, "got skips"],
      [{ make, skip: { resise: "no" } }, "Expected options.skip to be an object with resize"],
    ];
    for (const [options, message] of refused) {
      const error = assertThrows(() => storeContract(options as StoreContractOptions));
      assert(error instanceof TypeError || error instanceof RangeError, String(error));
      assert(error.message.includes(message), error.message);
    }
  });
});
