/**
 * The part of WebGPU that is used, as structural types. They are generic in the buffer: a real
 * `GPUDevice` fits whichever declarations a program has (Deno's, `@webgpu/types`, TypeScript's
 * DOM library), and real `GPUBuffer`s come back.
 *
 * @module
 */

/** A GPU buffer. */
export interface GpuBufferLike {
  /** Length in bytes. */
  readonly size: number;
  /** Its permitted uses: {@linkcode GpuUsage} flags. */
  readonly usage: number;
  /** Maps a range for reading (1) or writing (2). */
  mapAsync(mode: number, offset?: number, size?: number): Promise<unknown>;
  /** The bytes of a mapped range, until `unmap`. */
  getMappedRange(offset?: number, size?: number): ArrayBuffer;
  /** Gives a mapped buffer back to the GPU. */
  unmap(): void;
  /** Releases the memory, once submitted work is done with it. */
  destroy(): void;
}

/** Descriptor of a buffer. */
export interface GpuBufferDescriptorLike {
  /** Length in bytes. */
  size: number;
  /** {@linkcode GpuUsage} flags. */
  usage: number;
  /** True if it is mapped for writing at once. */
  mappedAtCreation?: boolean;
  /** Its name in tools. */
  label?: string;
}

/**
 * Records commands.
 *
 * @typeParam B The buffers.
 */
export interface GpuEncoderLike<B extends GpuBufferLike> {
  /** Copies a range from one buffer to another. */
  copyBufferToBuffer(
    source: B,
    sourceOffset: number,
    destination: B,
    destinationOffset: number,
    size: number,
  ): void;
  /** Fills a range with zeros. */
  clearBuffer(buffer: B, offset?: number, size?: number): void;
  /** Ends the recording; the result can be submitted once. */
  finish(): unknown;
}

/**
 * Where writes and recorded commands are carried out, in the order they were given.
 *
 * @typeParam B The buffers.
 */
export interface GpuQueueLike<B extends GpuBufferLike> {
  /** Writes bytes; they are taken before the call returns. */
  writeBuffer(
    buffer: B,
    bufferOffset: number,
    data: Uint8Array<ArrayBuffer>,
    dataOffset?: number,
    size?: number,
  ): void;
  /** Carries out recorded commands. */
  submit(commandBuffers: never[]): void;
  /** Resolves once all work submitted so far is done. */
  onSubmittedWorkDone(): Promise<unknown>;
}

/** Limits of a device. */
export interface GpuLimitsLike {
  /** Divides the offset of a uniform binding. */
  readonly minUniformBufferOffsetAlignment: number;
  /** Divides the offset of a storage binding. */
  readonly minStorageBufferOffsetAlignment: number;
  /** Most bytes in a buffer. */
  readonly maxBufferSize: number;
  /** Most bytes in a uniform binding. */
  readonly maxUniformBufferBindingSize: number;
  /** Most bytes in a storage binding. */
  readonly maxStorageBufferBindingSize: number;
}

/**
 * A GPU device.
 *
 * @typeParam B The buffers it makes.
 */
export interface GpuDeviceLike<B extends GpuBufferLike> {
  /** Its limits. */
  readonly limits: GpuLimitsLike;
  /** Its queue. */
  readonly queue: GpuQueueLike<B>;
  /** Resolves, with the reason, once the device can no longer be used. */
  readonly lost: Promise<{ readonly message: string }>;
  /** Throws where it can make no buffer of a usage; for devices that are not WebGPU's. */
  checkUsage?(usage: number): void;
  /** Makes a buffer. */
  createBuffer(descriptor: GpuBufferDescriptorLike): B;
  /** Begins a recording. */
  createCommandEncoder(): GpuEncoderLike<B>;
  /** Begins to catch errors of a kind. */
  pushErrorScope(filter: "out-of-memory" | "validation"): void;
  /** Ends it: the first error that was caught, or `null`. */
  popErrorScope(): Promise<{ readonly message: string } | null>;
}

/** Uses of a buffer: the flags of `GPUBufferUsage`, which not every runtime has. */
export const GpuUsage: {
  readonly MAP_READ: 0x1;
  readonly MAP_WRITE: 0x2;
  readonly COPY_SRC: 0x4;
  readonly COPY_DST: 0x8;
  readonly INDEX: 0x10;
  readonly VERTEX: 0x20;
  readonly UNIFORM: 0x40;
  readonly STORAGE: 0x80;
  readonly INDIRECT: 0x100;
  readonly QUERY_RESOLVE: 0x200;
} = {
  MAP_READ: 0x1,
  MAP_WRITE: 0x2,
  COPY_SRC: 0x4,
  COPY_DST: 0x8,
  INDEX: 0x10,
  VERTEX: 0x20,
  UNIFORM: 0x40,
  STORAGE: 0x80,
  INDIRECT: 0x100,
  QUERY_RESOLVE: 0x200,
};
