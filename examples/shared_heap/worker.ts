/**
 * A worker of the shared heap: it makes regions, and verifies and frees those of another worker.
 *
 * @module
 */

import {
  Arena,
  MemoryStore,
  type Region,
  regionFromToken,
  type RegionToken,
  tokenOf,
} from "@suballoc/offset-allocator";
import { SharedOffsetAllocator } from "@suballoc/offset-allocator/shared";
import { openPort } from "./threads.ts";

/** First message: what all workers share. */
export interface Heap {
  readonly bytes: SharedArrayBuffer;
  readonly state: SharedArrayBuffer;
}

/** Regions that are passed on, and the byte that each is full of. */
export interface Parcel {
  readonly tokens: readonly RegionToken[];
  readonly values: readonly number[];
}

const port = openPort();
let arena: Arena<MemoryStore, SharedOffsetAllocator>;

function pack(count: number): Parcel {
  const regions: Region<MemoryStore>[] = [], values: number[] = [];
  for (let i = 0; i < count; i++) {
    const region = arena.allocateOrThrow(1 + Math.floor(Math.random() * 2000));
    const value = Math.floor(Math.random() * 256);
    region.bytes.fill(value);
    regions.push(region);
    values.push(value);
  }
  return { tokens: regions.map((region) => tokenOf(region)), values };
}

/** How many regions hold something else than their maker wrote. */
function unpack({ tokens, values }: Parcel): number {
  let wrong = 0;
  tokens.forEach((token, i) => {
    const region = regionFromToken(arena, token);
    if (region.bytes.some((byte) => byte !== values[i])) wrong++;
    region.free();
  });
  return wrong;
}

port.listen((message: Heap | number | Parcel) => {
  if (typeof message === "number") port.post(pack(message));
  else if ("tokens" in message) port.post(unpack(message));
  else {
    const allocator = SharedOffsetAllocator.attach(message.state);
    arena = new Arena(new MemoryStore(message.bytes), { allocator });
  }
});
