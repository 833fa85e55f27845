/**
 * A module with a data segment that allocates by its imports: what `wat2wasm` 1.0.39 makes of the
 * text below, over memory of its own and over shared memory. A worker runs it in tests.
 *
 * ```text
 * (module
 *   (import "env" "malloc" (func $malloc (param i32) (result i32)))
 *   (import "env" "free" (func $free (param i32)))
 *   (import "env" "memory" (memory 1))         ;; or (memory 1 1024 shared)
 *   (data (i32.const 1024) "module data")
 *   (global (export "__heap_base") i32 (i32.const 1035))
 *   (func (export "copy") (result i32)         ;; the text in a new block, or 0
 *     (local $p i32)
 *     (local.set $p (call $malloc (i32.const 11)))
 *     (if (local.get $p)
 *       (then (memory.copy (local.get $p) (i32.const 1024) (i32.const 11))))
 *     (local.get $p))
 *   (func (export "drop") (param i32) (call $free (local.get 0)))
 *   (func (export "sum") (param $p i32) (param $n i32) (result i32)  ;; of $n bytes
 *     (local $s i32)
 *     (block $out
 *       (loop $next
 *         (br_if $out (i32.eqz (local.get $n)))
 *         (local.set $s (i32.add (local.get $s) (i32.load8_u (local.get $p))))
 *         (local.set $p (i32.add (local.get $p) (i32.const 1)))
 *         (local.set $n (i32.sub (local.get $n) (i32.const 1)))
 *         (br $next)))
 *     (local.get $s)))
 * ```
 *
 * @module
 */

/** The text that each instance has at this address. */
export const TEXT = "module data", TEXT_POINTER = 1024;

const OWN =
  "AGFzbQEAAAABFARgAX8Bf2ABfwBgAAF/YAJ/fwF/AicDA2VudgZtYWxsb2MAAANlbnYEZnJlZQABA2VudgZtZW1v" +
  "cnkCAAEDBAMCAQMGBwF/AEGLCAsHIwQLX19oZWFwX2Jhc2UDAARjb3B5AAIEZHJvcAADA3N1bQAEClEDHAEBf0ELEAAh" +
  "ACAABEAgAEGACEEL/AoAAAsgAAsGACAAEAELKwEBfwJAA0AgAUUNASACIAAtAABqIQIgAEEBaiEAIAFBAWshAQwACwsg" +
  "AgsLEgEAQYAICwttb2R1bGUgZGF0YQ==";
const SHARED =
  "AGFzbQEAAAABFARgAX8Bf2ABfwBgAAF/YAJ/fwF/AikDA2VudgZtYWxsb2MAAANlbnYEZnJlZQABA2VudgZtZW1vcnkC" +
  "AwGACAMEAwIBAwYHAX8AQYsICwcjBAtfX2hlYXBfYmFzZQMABGNvcHkAAgRkcm9wAAMDc3VtAAQKUQMcAQF/QQsQACEA" +
  "IAAEQCAAQYAIQQv8CgAACyAACwYAIAAQAQsrAQF/AkADQCABRQ0BIAIgAC0AAGohAiAAQQFqIQAgAUEBayEBDAALCyAC" +
  "CwsSAQBBgAgLC21vZHVsZSBkYXRh";

/** What a module imports beside its memory. */
export interface Heap {
  malloc(byteLength: number): number;
  free(pointer: number): void;
}

/** What an instance exports. */
export interface Exports {
  readonly __heap_base: WebAssembly.Global;
  copy(): number;
  drop(pointer: number): void;
  sum(pointer: number, byteLength: number): number;
}

/** An instance over a memory; the module's data are written to it. */
export async function instantiate(
  memory: WebAssembly.Memory,
  heap: Heap,
  isShared = false,
): Promise<Exports> {
  const letters = atob(isShared ? SHARED : OWN);
  const code = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
  const env = { memory, malloc: heap.malloc, free: heap.free };
  const { instance } = await WebAssembly.instantiate(code, { env });
  return instance.exports as unknown as Exports;
}

/** A text of a memory, shared or not. */
export function textAt(memory: WebAssembly.Memory, pointer: number, byteLength: number): string {
  return new TextDecoder().decode(new Uint8Array(memory.buffer, pointer, byteLength).slice());
}
