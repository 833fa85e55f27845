/**
 * A device as the rest of the backend uses it: buffers that are sure to be there, promises that
 * end when the device is lost, and who made a buffer.
 *
 * @module
 */

import { describe } from "../../src/util/check_integer.ts";
import { DeviceLostError, GpuOutOfMemoryError } from "./gpu_errors.ts";
import type {
  GpuBufferDescriptorLike,
  GpuBufferLike,
  GpuDeviceLike,
  GpuEncoderLike,
  GpuLimitsLike,
} from "./gpu_types.ts";

/** The device of each buffer that was made here: WebGPU does not tell. */
let madeBy: WeakMap<object, object> | undefined;

/** One per device, shared by all stores and arenas on it. */
let contexts: WeakMap<object, GpuContext<never>> | undefined;

/** The members of a value, whatever it is. */
function membersOf(value: unknown): Record<string, unknown> {
  return Object(value) as Record<string, unknown>;
}

/** Tells whether it has what is used of a device; a WebGL context has a `createBuffer`, too. */
function isDevice(device: unknown): boolean {
  const { createBuffer, createCommandEncoder, queue, limits } = membersOf(device);
  return typeof createBuffer === "function" && typeof createCommandEncoder === "function" &&
    typeof queue === "object" && typeof limits === "object";
}

/** Advice for an argument that leads to a device. */
function hint(given: unknown): string {
  const { then, requestAdapter, requestDevice, bindVertexArray } = membersOf(given);
  if (typeof bindVertexArray === "function") return ": give it to webGlDevice()";
  if (typeof then === "function") return ": await it";
  if (typeof requestDevice === "function") return ": await its requestDevice()";
  if (typeof requestAdapter === "function") return ": await its requestAdapter() first";
  return "";
}

/** A device, and whether it is lost. */
export class GpuContext<B extends GpuBufferLike> {
  readonly device: GpuDeviceLike<B>;
  /** The device's limits, as numbers: there every look at one is a call. */
  readonly limits: GpuLimitsLike;
  /** Set once the device is lost. */
  lost: DeviceLostError | undefined;
  /** Promises that wait for the device, to be rejected when it is lost. */
  readonly #waiting: Set<(error: DeviceLostError) => void> = new Set();

  private constructor(device: GpuDeviceLike<B>) {
    this.device = device;
    const { limits } = device;
    this.limits = {
      minUniformBufferOffsetAlignment: limits.minUniformBufferOffsetAlignment,
      minStorageBufferOffsetAlignment: limits.minStorageBufferOffsetAlignment,
      maxBufferSize: limits.maxBufferSize,
      maxUniformBufferBindingSize: limits.maxUniformBufferBindingSize,
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
    };
    device.lost.then(({ message }) => {
      this.lost = new DeviceLostError(message);
      for (const reject of this.#waiting) reject(this.lost);
      this.#waiting.clear();
    });
  }

  /**
   * The context of a device.
   *
   * @throws {TypeError} It is no device.
   */
  static of<B extends GpuBufferLike>(device: GpuDeviceLike<B>): GpuContext<B> {
    if (!isDevice(device)) {
      throw new TypeError(
        `Expected device to be a GPUDevice, got ${describe(device)}${hint(device)}`,
      );
    }
    contexts ??= new WeakMap();
    let context = contexts.get(device) as GpuContext<B> | undefined;
    if (context === undefined) {
      context = new GpuContext(device);
      contexts.set(device, context as unknown as GpuContext<never>);
    }
    return context;
  }

  /**
   * Throws once the device is lost.
   *
   * @throws {DeviceLostError}
   */
  expectAlive(): void {
    if (this.lost !== undefined) throw this.lost;
  }

  /** The promise, rejected as soon as the device is lost: some never settle then. */
  orLost<T>(promise: PromiseLike<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.lost !== undefined) return reject(this.lost);
      this.#waiting.add(reject);
      const done = () => this.#waiting.delete(reject);
      promise.then(
        (value) => {
          done();
          resolve(value);
        },
        (error) => {
          done();
          reject(this.lost ?? error);
        },
      );
    });
  }

  /**
   * Makes a buffer and waits until it is known to be good.
   *
   * @throws {GpuOutOfMemoryError} There is no memory for it; it was destroyed.
   * @throws {DeviceLostError} The device is lost.
   */
  async createBuffer(descriptor: GpuBufferDescriptorLike): Promise<B> {
    const { buffer, made } = this.beginBuffer(descriptor);
    await made;
    return buffer!;
  }

  /**
   * Makes a buffer that must not be used before `made` has resolved. It rejects as
   * `createBuffer` does; there is no buffer where the device threw.
   */
  beginBuffer(descriptor: GpuBufferDescriptorLike): { buffer?: B; made: Promise<void> } {
    const { device } = this;
    if (this.lost !== undefined) return { made: Promise.reject(this.lost) };
    device.pushErrorScope("out-of-memory");
    let buffer: B | undefined, reason: string | undefined;
    try {
      buffer = device.createBuffer(descriptor);
      (madeBy ??= new WeakMap()).set(buffer, device);
    } catch (error) {
      // No room to map it: the one failure that is thrown.
      reason = (error as Error).message;
    }
    const made = this.orLost(device.popErrorScope()).then((error) => {
      reason ??= error?.message;
      if (reason === undefined) return;
      buffer?.destroy();
      throw new GpuOutOfMemoryError(descriptor.size, reason);
    });
    return { buffer, made };
  }

  /**
   * Throws where a buffer is known to be another device's.
   *
   * @throws {TypeError}
   */
  expectOwn(name: string, buffer: B): void {
    const device = madeBy?.get(buffer);
    if (device === undefined || device === this.device) return;
    throw new TypeError(`Expected ${name} to be of the same device, got one of another`);
  }

  /** Carries out what was recorded. */
  submit(encoder: GpuEncoderLike<B>): void {
    this.device.queue.submit([encoder.finish() as never]);
  }
}

/**
 * Throws where a value records no copies.
 *
 * @throws {TypeError}
 */
export function expectEncoder(encoder: unknown): void {
  if (typeof membersOf(encoder).copyBufferToBuffer === "function") return;
  throw new TypeError(`Expected encoder to be a GPUCommandEncoder, got ${describe(encoder)}`);
}
