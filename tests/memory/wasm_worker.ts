/**
 * A worker with an instance of a module: it copies, fills, verifies and frees blocks of a heap that
 * all workers share, as docs/webassembly.md has it.
 *
 * @module
 */

import { NO_SPACE } from "../../src/allocator.ts";
import { SharedOffsetAllocator } from "../../src/shared/mod.ts";
import { openPort } from "../shared/threads/open_port.ts";
import { type Exports, instantiate, TEXT, textAt } from "./wasm_modules.ts";

/** The first message: where everything lies. */
export interface WasmPlace {
  readonly memory: WebAssembly.Memory;
  readonly state: SharedArrayBuffer;
  readonly heapBase: number;
}

/** A block that another worker made: `length` times `value`. */
export interface Block {
  readonly pointer: number;
  readonly length: number;
  readonly value: number;
}

/** A round: blocks to verify and free, and lengths of new ones. */
export interface Round {
  readonly blocks: readonly Block[];
  readonly lengths: readonly number[];
}

const HEADER = 16;
const port = await openPort();
let memory: WebAssembly.Memory;
let exports: Exports;
let made = 0;

/** Blocks that have their handle in the bytes before them. */
function heapOf({ memory, state, heapBase }: WasmPlace) {
  const allocator = SharedOffsetAllocator.attach(state);
  const handleOf = (pointer: number) => new Float64Array(memory.buffer, pointer - HEADER, 1);
  return {
    malloc(byteLength: number): number {
      const handle = allocator.allocate(HEADER + (byteLength >>> 0), 16);
      if (handle === NO_SPACE) return 0;
      const pointer = heapBase + allocator.offset(handle) + HEADER;
      handleOf(pointer)[0] = handle;
      return pointer;
    },
    free: (pointer: number) => allocator.free(handleOf(pointer >>> 0)[0]),
  };
}

let heap: ReturnType<typeof heapOf>;

function make(length: number): Block {
  const text = exports.copy(), pointer = heap.malloc(length), value = 1 + made++ % 255;
  if (text === 0 || pointer === 0) throw new Error("No space");
  if (textAt(memory, text, TEXT.length) !== TEXT) throw new Error("The module's text is lost");
  new Uint8Array(memory.buffer, pointer, length).fill(value);
  exports.drop(text);
  return { pointer, length, value };
}

function check({ pointer, length, value }: Block): void {
  const sum = exports.sum(pointer, length);
  if (sum !== length * value) throw new Error(`The sum at ${pointer} is ${sum}`);
  exports.drop(pointer);
}

port.listen(async (message: WasmPlace | Round) => {
  if ("state" in message) {
    memory = message.memory;
    heap = heapOf(message);
    exports = await instantiate(memory, heap, true);
    port.post("open");
  } else {
    message.blocks.forEach(check);
    port.post(message.lengths.map(make));
  }
});
port.post("ready");
