/**
 * Meshes whose vertices are in several buffers, drawn with one `baseVertex`.
 *
 * @module
 */

import { NO_SPACE, NotAllocatedError } from "../../src/allocator.ts";
import { OffsetAllocator } from "../../src/allocators/offset_allocator.ts";
import { checkArray } from "../../src/util/check_array.ts";
import { checkInteger, describe } from "../../src/util/check_integer.ts";
import { checkOptions } from "../../src/util/check_options.ts";
import type { GpuArena } from "./gpu_arena.ts";
import type { GpuData, GpuRegion } from "./gpu_region.ts";
import type { GpuBufferLike } from "./gpu_types.ts";
import { COPY_ALIGNMENT } from "./gpu_usage.ts";

/** How a {@linkcode GpuVertexStreams} is made. */
export interface GpuVertexStreamsOptions {
  /** Bytes of a vertex in each stream, multiples of 4: `arrayStride` of the vertex buffers. */
  readonly strides: readonly number[];
  /** Vertices of a page; 65,536 by default. */
  readonly pageVertices?: number | undefined;
  /** Name of the regions in reports. */
  readonly label?: string | undefined;
}

/** Vertices of meshes: one region for each stream, all of as many vertices. */
export interface GpuVertexPage<B extends GpuBufferLike> {
  /** The regions, in the order of the strides: what is set as the vertex buffers. */
  readonly regions: readonly GpuRegion<B>[];
  /** Vertices that it holds. */
  readonly vertexCount: number;
}

/** The vertices of a mesh, in all streams. */
export interface GpuVertices<B extends GpuBufferLike> {
  /** Where they are: meshes of one page are drawn without other vertex buffers in between. */
  readonly page: GpuVertexPage<B>;
  /** The first one within the page, in every stream. */
  readonly baseVertex: number;
  /** How many there are. */
  readonly vertexCount: number;
  /** True if they were freed. */
  readonly freed: boolean;
  /**
   * Takes a copy of `data` for a stream, from `firstVertex` (0) of the mesh on. It reaches the
   * buffer with the next `upload()` of the arena.
   *
   * @throws {RangeError} There is no such stream, or that is more than the mesh has.
   * @throws {TypeError} `data` is no buffer and no view of one.
   * @throws {NotAllocatedError} The vertices were freed.
   */
  write(stream: number, data: GpuData, firstVertex?: number): void;
  /**
   * Frees the vertices, unless that has happened; they are used again by the next mesh.
   * Submit what draws them before the next `upload()`.
   */
  free(): void;
}

/** A page and who has what of it. */
class Page<B extends GpuBufferLike> implements GpuVertexPage<B> {
  readonly regions: readonly GpuRegion<B>[];
  readonly allocator: OffsetAllocator;

  constructor(regions: readonly GpuRegion<B>[], vertexCount: number) {
    this.regions = regions;
    this.allocator = new OffsetAllocator(vertexCount);
  }

  get vertexCount(): number {
    return this.allocator.capacity;
  }
}

/**
 * Vertices in several streams, as positions in one buffer and normals in another: a mesh has the
 * same place in all of them, so that one `baseVertex` draws it.
 *
 * A page is one region of the arena for each stream; there is another one when all are full, and
 * one that is empty goes, but for the last. O(pages) for `allocate`.
 *
 * @typeParam B The buffers.
 *
 * @example
 * ```ts
 * import { GpuArena, GpuVertexStreams } from "@suballoc/offset-allocator/webgpu";
 *
 * async function main(device: GPUDevice, pass: GPURenderPassEncoder) {
 *   const arena = new GpuArena(device);
 *   const streams = new GpuVertexStreams(arena, { strides: [12, 4] }); // positions, colours
 *   const mesh = streams.allocate(3)!;
 *   mesh.write(0, new Float32Array(9));
 *   mesh.write(1, new Uint8Array(12));
 *   await arena.upload();
 *   mesh.page.regions.forEach(({ buffer, offset, size }, slot) => {
 *     pass.setVertexBuffer(slot, buffer, offset, size); // once for all meshes of the page
 *   });
 *   pass.drawIndexed(3, 1, 0, mesh.baseVertex);
 * }
 * ```
 */
export class GpuVertexStreams<B extends GpuBufferLike> {
  readonly #arena: GpuArena<B>;
  readonly #strides: readonly number[];
  readonly #pageVertices: number;
  readonly #label: string | undefined;
  #pages: Page<B>[] = [];

  /**
   * Makes streams without a page.
   *
   * @param arena Where the pages come from; it is not closed.
   * @param options The strides, and how large pages are.
   * @throws {TypeError} An option is not known, or `strides` is no array.
   * @throws {RangeError} A stride is no multiple of 4, or a number is out of range.
   */
  constructor(arena: GpuArena<B>, options: GpuVertexStreamsOptions) {
    if (typeof Object(arena).allocate !== "function") {
      throw new TypeError(`Expected arena to be a GpuArena, got ${describe(arena)}`);
    }
    checkOptions(options, "strides pageVertices label");
    const { strides, pageVertices = 65_536, label }: GpuVertexStreamsOptions = Object(options);
    checkArray("strides", strides);
    checkInteger("strides.length", strides.length, 1);
    for (const [i, stride] of strides.entries()) {
      checkInteger(`strides[${i}]`, stride, 1);
      if (stride % COPY_ALIGNMENT === 0) continue;
      throw new RangeError(`Expected strides[${i}] to be a multiple of 4, got ${stride}`);
    }
    checkInteger("pageVertices", pageVertices, 1);
    this.#arena = arena;
    this.#strides = [...strides];
    this.#pageVertices = pageVertices;
    this.#label = label;
  }

  /** The pages there are. */
  get pages(): readonly GpuVertexPage<B>[] {
    return this.#pages;
  }

  /**
   * Finds room for the vertices of a mesh: in a hole of a page, or in a new page. A mesh of more
   * vertices than a page has gets one of its own.
   *
   * @returns `undefined` if the arena has no space for a page.
   * @throws {RangeError} `vertexCount` is not from 1 on, or no buffer can be that long.
   */
  allocate(vertexCount: number): GpuVertices<B> | undefined {
    checkInteger("vertexCount", vertexCount, 1);
    for (const page of this.#pages) {
      const handle = page.allocator.allocate(vertexCount);
      if (handle !== NO_SPACE) return this.#mesh(page, handle, vertexCount);
    }
    const page = this.#newPage(Math.max(this.#pageVertices, vertexCount));
    return page && this.#mesh(page, page.allocator.allocate(vertexCount), vertexCount);
  }

  #newPage(vertexCount: number): Page<B> | undefined {
    const regions: GpuRegion<B>[] = [], label = this.#label;
    for (const stride of this.#strides) {
      const options = { role: "vertex", stride, label } as const;
      const region = this.#arena.allocate(vertexCount * stride, options);
      if (region === undefined) {
        for (const region of regions) region.free();
        return undefined;
      }
      regions.push(region);
    }
    const page = new Page(regions, vertexCount);
    this.#pages.push(page);
    return page;
  }

  #mesh(page: Page<B>, handle: number, vertexCount: number): GpuVertices<B> {
    const strides = this.#strides, baseVertex = page.allocator.offset(handle);
    let freed = false;
    return {
      page,
      baseVertex,
      vertexCount,
      get freed() {
        return freed;
      },
      write(stream, data, firstVertex = 0) {
        if (freed) throw new NotAllocatedError(this);
        checkInteger("stream", stream, 0, strides.length - 1);
        checkInteger("firstVertex", firstVertex, 0, vertexCount);
        const stride = strides[stream], most = (vertexCount - firstVertex) * stride;
        // What is no data has no length: the region says so.
        if (data?.byteLength > most) {
          throw new RangeError(`Expected data of at most ${most} bytes, got ${data.byteLength}`);
        }
        page.regions[stream].write(data, (baseVertex + firstVertex) * stride);
      },
      free: () => {
        if (freed) return;
        freed = true;
        page.allocator.free(handle);
        this.#dropIfEmpty(page);
      },
    };
  }

  #dropIfEmpty(page: Page<B>): void {
    const { freeSpace, capacity } = page.allocator;
    if (freeSpace < capacity || this.#pages.length === 1) return;
    this.#pages = this.#pages.filter((one) => one !== page);
    for (const region of page.regions) region.free();
  }
}
