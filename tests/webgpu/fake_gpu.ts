/**
 * A GPU in memory that follows the rules of WebGPU to the letter, and fails when it is told to:
 * what no real device does on demand.
 *
 * Bytes change in the order of the queue, at the call of `writeBuffer` and `submit`. What a real
 * device tells later (work is done, a buffer is mapped, an error was caught) is told some
 * microtasks later, or, after `hold`, not before `release`.
 *
 * @module
 */

import type {
  GpuBufferDescriptorLike,
  GpuDeviceLike,
  GpuEncoderLike,
  GpuLimitsLike,
  GpuQueueLike,
} from "../../backends/webgpu/gpu_types.ts";
import { GpuUsage } from "../../backends/webgpu/gpu_types.ts";

const { COPY_SRC, COPY_DST, MAP_READ, MAP_WRITE } = GpuUsage;

const DEFAULT_LIMITS: GpuLimitsLike = {
  minUniformBufferOffsetAlignment: 256,
  minStorageBufferOffsetAlignment: 256,
  maxBufferSize: 2 ** 28,
  maxUniformBufferBindingSize: 2 ** 16,
  maxStorageBufferBindingSize: 2 ** 27,
};

type MapState = "unmapped" | "pending" | "mapped" | "destroyed";

/** A buffer of a {@linkcode FakeDevice}. */
export class FakeBuffer {
  readonly device: FakeDevice;
  readonly size: number;
  readonly usage: number;
  readonly label: string;
  /** The bytes on the GPU; to look at. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Made without memory, or against a rule: every use is an error. */
  readonly isInvalid: boolean;
  state: MapState = "unmapped";
  #mapped: ArrayBuffer | undefined;

  constructor(device: FakeDevice, descriptor: GpuBufferDescriptorLike, isInvalid: boolean) {
    this.device = device;
    this.size = descriptor.size;
    this.usage = descriptor.usage;
    this.label = descriptor.label ?? "";
    this.isInvalid = isInvalid;
    this.bytes = new Uint8Array(isInvalid ? 0 : descriptor.size);
    if (descriptor.mappedAtCreation) {
      this.state = "mapped";
      this.#mapped = new ArrayBuffer(descriptor.size);
    }
  }

  mapAsync(mode: number, offset = 0, size = this.size - offset): Promise<undefined> {
    const { device } = this;
    device.counts.mapAsync++;
    const needed = mode === 1 ? MAP_READ : MAP_WRITE;
    const problem = this.isInvalid
      ? "the buffer is invalid"
      : (this.usage & needed) === 0
      ? "the usage does not allow it"
      : offset % 8 !== 0 || size % 4 !== 0 || offset + size > this.size
      ? `range ${offset}+${size} of ${this.size}`
      : this.state !== "unmapped"
      ? `the buffer is ${this.state}`
      : undefined;
    if (problem !== undefined) {
      device.report("validation", `mapAsync: ${problem}`);
      return Promise.reject(new Error(`mapAsync: ${problem}`));
    }
    const failure = device.nextMapFailure();
    this.state = "pending";
    return device.later(() => {
      if (this.state !== "pending") throw new Error("mapAsync was cancelled");
      this.state = "unmapped";
      if (failure) throw failure;
      this.state = "mapped";
      this.#mapped = this.bytes.slice().buffer;
      return undefined;
    });
  }

  getMappedRange(offset = 0, size = this.size - offset): ArrayBuffer {
    if (this.state !== "mapped" || offset !== 0 || size !== this.size) {
      throw new Error(`getMappedRange: ${this.state}, range ${offset}+${size} of ${this.size}`);
    }
    return this.#mapped!;
  }

  unmap(): void {
    if (this.state === "destroyed") return;
    if (this.state === "mapped" && !this.isInvalid && (this.usage & MAP_READ) === 0) {
      this.bytes.set(new Uint8Array(this.#mapped!));
    }
    this.#mapped = undefined;
    this.state = "unmapped";
  }

  destroy(): void {
    if (this.state !== "destroyed") this.device.forget(this);
    this.state = "destroyed";
    this.#mapped = undefined;
  }
}

/** A command: what is wrong with it when it is submitted, or nothing; then what it does. */
interface Command {
  readonly buffers: readonly FakeBuffer[];
  run(): void;
}

/** What `finish` gives. */
class FakeCommands {
  readonly device: FakeDevice;
  readonly commands: readonly Command[];
  readonly problem: string | undefined;
  isSubmitted = false;

  constructor(device: FakeDevice, commands: readonly Command[], problem: string | undefined) {
    this.device = device;
    this.commands = commands;
    this.problem = problem;
  }
}

class FakeEncoder implements GpuEncoderLike<FakeBuffer> {
  readonly #device: FakeDevice;
  readonly #commands: Command[] = [];
  #problem: string | undefined;
  #isFinished = false;

  constructor(device: FakeDevice) {
    this.#device = device;
  }

  copyBufferToBuffer(
    source: FakeBuffer,
    from: number,
    target: FakeBuffer,
    to: number,
    size: number,
  ): void {
    this.#device.counts.copy++;
    const problem = source === target
      ? "a copy within one buffer"
      : (source.usage & COPY_SRC) === 0 || (target.usage & COPY_DST) === 0
      ? "COPY_SRC and COPY_DST are needed"
      : rangeProblem(source, from, size) ?? rangeProblem(target, to, size);
    this.#add(problem && `copyBufferToBuffer: ${problem}`, [source, target], () => {
      target.bytes.set(source.bytes.subarray(from, from + size), to);
    });
  }

  clearBuffer(buffer: FakeBuffer, offset = 0, size = buffer.size - offset): void {
    const problem = (buffer.usage & COPY_DST) === 0
      ? "COPY_DST is needed"
      : rangeProblem(buffer, offset, size);
    this.#add(problem && `clearBuffer: ${problem}`, [buffer], () => {
      buffer.bytes.fill(0, offset, offset + size);
    });
  }

  finish(): FakeCommands {
    if (this.#isFinished) this.#problem ??= "the encoder is finished";
    this.#isFinished = true;
    if (this.#problem !== undefined) this.#device.report("validation", this.#problem);
    return new FakeCommands(this.#device, this.#commands, this.#problem);
  }

  #add(problem: string | undefined, buffers: readonly FakeBuffer[], run: () => void): void {
    if (this.#isFinished) {
      return this.#device.report("validation", "the encoder is finished");
    }
    const foreign = buffers.some(({ device }) => device !== this.#device);
    this.#problem ??= foreign ? "a buffer is of another device" : problem;
    this.#commands.push({ buffers, run });
  }
}

class FakeQueue implements GpuQueueLike<FakeBuffer> {
  readonly #device: FakeDevice;

  constructor(device: FakeDevice) {
    this.#device = device;
  }

  writeBuffer(
    buffer: FakeBuffer,
    offset: number,
    data: Uint8Array<ArrayBuffer>,
    start = 0,
    size = data.length - start,
  ): void {
    const device = this.#device;
    device.counts.writeBuffer++;
    // A real device crashes on some of these.
    const isPlain = data instanceof Uint8Array && data.buffer instanceof ArrayBuffer &&
      !(data.buffer as { resizable?: boolean }).resizable;
    if (!isPlain) throw new Error("writeBuffer: expected a Uint8Array over fixed memory");
    if (start + size > data.length) throw new Error("writeBuffer: beyond the data");
    if (device.isLost) return;
    const problem = buffer.device !== device
      ? "the buffer is of another device"
      : (buffer.usage & COPY_DST) === 0
      ? "COPY_DST is needed"
      : rangeProblem(buffer, offset, size) ?? useProblem(buffer);
    if (problem !== undefined) return device.report("validation", `writeBuffer: ${problem}`);
    buffer.bytes.set(data.subarray(start, start + size), offset);
  }

  submit(commandBuffers: never[]): void {
    const device = this.#device;
    device.counts.submit++;
    if (device.isLost) return;
    const all = [...commandBuffers as unknown as FakeCommands[]];
    for (const one of all) {
      const problem = one.device !== device
        ? "commands of another device"
        : one.isSubmitted
        ? "commands submitted twice"
        : one.problem ?? one.commands.flatMap(({ buffers }) => buffers.map(useProblem))
          .find((found) => found !== undefined);
      one.isSubmitted = true;
      if (problem !== undefined) return device.report("validation", `submit: ${problem}`);
    }
    for (const { commands } of all) for (const { run } of commands) run();
  }

  onSubmittedWorkDone(): Promise<undefined> {
    return this.#device.later(() => undefined);
  }
}

/** A device in memory. */
export class FakeDevice implements GpuDeviceLike<FakeBuffer> {
  readonly limits: GpuLimitsLike;
  readonly queue: FakeQueue = new FakeQueue(this);
  readonly lost: Promise<{ readonly message: string }>;
  /** Errors that no scope caught: a test ends by finding none. */
  readonly uncaptured: string[] = [];
  /** How often each call was made. */
  readonly counts = { createBuffer: 0, writeBuffer: 0, submit: 0, copy: 0, mapAsync: 0 };
  isLost = false;
  readonly #buffers: Set<FakeBuffer> = new Set();
  readonly #scopes: { filter: string; error: { message: string } | null }[] = [];
  #resolveLost!: (info: { message: string }) => void;
  /** Ends of `later`, while they are held back. */
  #held: (() => void)[] | undefined;
  #allocationsToFailure = 0;
  #mapsToFailure = 0;

  constructor(limits: Partial<GpuLimitsLike> = {}) {
    this.limits = { ...DEFAULT_LIMITS, ...limits };
    this.lost = new Promise((resolve) => this.#resolveLost = resolve);
  }

  /** Buffers that nobody destroyed. */
  get liveBuffers(): readonly FakeBuffer[] {
    return [...this.#buffers];
  }

  createBuffer(descriptor: GpuBufferDescriptorLike): FakeBuffer {
    this.counts.createBuffer++;
    const { size, usage, mappedAtCreation } = descriptor;
    const isMappable = (usage & (MAP_READ | MAP_WRITE)) !== 0;
    const partner = (usage & MAP_READ) !== 0 ? MAP_READ | COPY_DST : MAP_WRITE | COPY_SRC;
    const problem = !Number.isSafeInteger(size) || size < 0 || size > this.limits.maxBufferSize
      ? `size ${size}`
      : usage === 0 || usage > 0x3ff || (isMappable && (usage & ~partner) !== 0)
      ? `usage ${usage}`
      : undefined;
    if (mappedAtCreation && size % 4 !== 0) throw new RangeError(`createBuffer: size ${size}`);
    if (problem !== undefined) this.report("validation", `createBuffer: ${problem}`);
    const isFailing = this.#allocationsToFailure > 0 && --this.#allocationsToFailure === 0;
    if (isFailing) this.report("out-of-memory", `no memory for ${size} bytes`);
    const buffer = new FakeBuffer(this, descriptor, isFailing || problem !== undefined);
    if (!buffer.isInvalid) this.#buffers.add(buffer);
    return buffer;
  }

  createCommandEncoder(): FakeEncoder {
    return new FakeEncoder(this);
  }

  pushErrorScope(filter: "out-of-memory" | "validation"): void {
    this.#scopes.push({ filter, error: null });
  }

  popErrorScope(): Promise<{ message: string } | null> {
    const scope = this.#scopes.pop();
    if (scope === undefined) return Promise.reject(new Error("no error scope is open"));
    // Told without waiting for the GPU: also while the rest is held.
    return Promise.resolve().then(() => scope.error);
  }

  /** The n-th `createBuffer` from now on finds no memory. */
  failAllocation(n = 1): void {
    this.#allocationsToFailure = n;
  }

  /** The n-th `mapAsync` from now on fails. */
  failMap(n = 1): void {
    this.#mapsToFailure = n;
  }

  /** The device is gone: what is under way never ends, and later calls do nothing. */
  lose(message = "gone"): void {
    this.isLost = true;
    this.#held = [];
    this.#resolveLost({ message });
  }

  /** Holds back what is told by the GPU. */
  hold(): void {
    this.#held ??= [];
  }

  /** Tells what was held back. */
  release(): void {
    if (this.isLost) return;
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const end of held) end();
  }

  /** Tells an error to the scope that catches it. */
  report(filter: "out-of-memory" | "validation", message: string): void {
    const scope = this.#scopes.findLast((one) => one.filter === filter);
    if (scope === undefined) this.uncaptured.push(message);
    else scope.error ??= { message };
  }

  nextMapFailure(): Error | undefined {
    const isFailing = this.#mapsToFailure > 0 && --this.#mapsToFailure === 0;
    return isFailing ? new Error("mapAsync failed") : undefined;
  }

  forget(buffer: FakeBuffer): void {
    this.#buffers.delete(buffer);
  }

  /** What the GPU tells once it has come so far. */
  later<T>(answer: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = () => {
        try {
          resolve(answer());
        } catch (error) {
          reject(error);
        }
      };
      if (this.#held !== undefined) this.#held.push(end);
      else Promise.resolve().then(() => Promise.resolve()).then(() => this.#orHeld(end));
    });
  }

  /** Holding may have begun meanwhile. */
  #orHeld(end: () => void): void {
    if (this.#held === undefined) end();
    else this.#held.push(end);
  }
}

function rangeProblem(buffer: FakeBuffer, offset: number, size: number): string | undefined {
  const isWhole = offset >= 0 && size >= 0 && offset % 4 === 0 && size % 4 === 0;
  if (isWhole && offset + size <= buffer.size) return undefined;
  return `range ${offset}+${size} of ${buffer.size} bytes`;
}

function useProblem(buffer: FakeBuffer): string | undefined {
  if (buffer.isInvalid) return "the buffer is invalid";
  return buffer.state === "unmapped" ? undefined : `the buffer is ${buffer.state}`;
}
