/**
 * A worker that shares the regions of an arena with others: it makes some, fills them, and
 * verifies and frees those that it is given. It runs in a page as well.
 *
 * @module
 */

import { MemoryStore, type WasmMemory } from "../../../backends/memory.ts";
import { Arena } from "../../../src/arena/arena.ts";
import type { RegionToken } from "../../../src/arena/mod.ts";
import { SharedOffsetAllocator } from "../../../src/shared/shared_allocator.ts";
import { regionFromToken, tokenOf } from "../../../src/arena/region_token.ts";
import { openPort } from "./open_port.ts";

/** The first message: where everything lies. */
export interface ArenaPlace {
  readonly state: SharedArrayBuffer;
  readonly memory: SharedArrayBuffer | WasmMemory;
  readonly worker: number;
  readonly maxByteLength: number;
}

/** A region's token, and the number that fills it. */
export interface Parcel {
  readonly token: RegionToken;
  readonly content: number;
}

const port = await openPort();
let arena: Arena<MemoryStore, SharedOffsetAllocator>;
let worker = 0, made = 0;

/** Makes a region full of one number. */
function pack(byteLength: number): Parcel | undefined {
  const region = arena.allocate(byteLength, { alignment: 4, label: `of ${worker}` });
  if (region === undefined) return undefined;
  const content = worker * 1_000_000 + made++;
  region.view(Int32Array).fill(content);
  return { token: tokenOf(region), content };
}

/** Verifies what another worker packed, and frees it. */
function unpack({ token, content }: Parcel): void {
  using region = regionFromToken(arena, token);
  const wrong = region.view(Int32Array).findIndex((value) => value !== content);
  if (wrong >= 0) throw new Error(`Region ${token.handle} has another number at ${wrong}`);
}

port.listen((message: ArenaPlace | { parcels: Parcel[]; sizes: number[] }) => {
  if ("state" in message) {
    worker = message.worker;
    const allocator = SharedOffsetAllocator.attach(message.state, { worker });
    arena = new Arena(new MemoryStore(message.memory), {
      allocator,
      maxByteLength: message.maxByteLength,
    });
    port.post("open");
  } else {
    message.parcels.forEach(unpack);
    port.post(message.sizes.map(pack).filter((parcel) => parcel !== undefined));
  }
});
port.post("ready");
