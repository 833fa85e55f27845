/**
 * Two ways to keep meshes on the GPU, behind one interface: all in three slabs, or each in three
 * buffers of its own.
 *
 * @module
 */

import {
  drawIndexedArguments,
  GpuArena,
  type GpuDeviceLike,
  type GpuRegion,
  GpuUsage,
} from "@suballoc/offset-allocator/webgpu";
import { type Mesh, VERTEX_BYTES } from "./meshes.ts";

/** Where the meshes of a scene are. */
export interface MeshBuffers {
  /** Takes meshes out and others in, up to where they can be drawn. */
  exchange(leaving: readonly Mesh[], coming: readonly Mesh[]): Promise<void>;
  /** Records the draws of these meshes, in this order. */
  draw(pass: GPURenderPassEncoder, meshes: readonly Mesh[]): void;
  /** What is to be done between frames. */
  tidy(): Promise<void>;
  /** Buffers that there are, and bytes in them. */
  size(): { buffers: number; bytes: number };
  destroy(): void;
}

/** A mesh in slabs: where its vertices, its indices and the arguments of its draw are. */
interface Placed {
  readonly vertices: GpuRegion<GPUBuffer>;
  readonly indices: GpuRegion<GPUBuffer>;
  readonly draw: GpuRegion<GPUBuffer>;
}

/** Most bytes that are moved between two frames. */
const MAX_MOVED = 2 ** 18;

/** All meshes in one buffer of vertices, one of indices and one of draw arguments. */
export class SharedBuffers implements MeshBuffers {
  readonly arena: GpuArena<GPUBuffer>;
  readonly #device: GpuDeviceLike<GPUBuffer>;
  readonly #placed: Map<Mesh, Placed> = new Map();
  /** Whose draw arguments are not those of now. */
  readonly #outdated: Set<Placed> = new Set();
  /** Bytes moved so far. */
  movedBytes = 0;

  constructor(device: GpuDeviceLike<GPUBuffer>) {
    this.#device = device;
    this.arena = new GpuArena(device, { initialSlabBytes: 2 ** 16, label: "meshes" });
  }

  async exchange(leaving: readonly Mesh[], coming: readonly Mesh[]): Promise<void> {
    for (const mesh of leaving) {
      const placed = this.#placed.get(mesh)!;
      for (const region of [placed.vertices, placed.indices, placed.draw]) region.free();
      this.#placed.delete(mesh);
      this.#outdated.delete(placed);
    }
    for (const mesh of coming) {
      const placed = this.#place(mesh);
      this.#placed.set(mesh, placed);
      this.#outdated.add(placed);
    }
    await this.arena.upload();
    this.#writeDraws();
    await this.arena.upload(); // nothing has to grow: it is done when the call returns
  }

  draw(pass: GPURenderPassEncoder, meshes: readonly Mesh[]): void {
    let vertexBuffer: GPUBuffer | undefined, indexBuffer: GPUBuffer | undefined;
    for (const mesh of meshes) {
      const { vertices, indices, draw } = this.#placed.get(mesh)!;
      // There is more than one slab of a kind only once the first is as long as it may be.
      if (vertices.buffer !== vertexBuffer) {
        pass.setVertexBuffer(0, vertexBuffer = vertices.buffer);
      }
      if (indices.buffer !== indexBuffer) {
        pass.setIndexBuffer(indexBuffer = indices.buffer, "uint16");
      }
      pass.drawIndexedIndirect(draw.buffer, draw.offset);
    }
  }

  /** Moves some meshes down, into the holes that others left. */
  async tidy(): Promise<void> {
    const plan = await this.arena.planCompaction({ maxBytes: MAX_MOVED });
    this.movedBytes += plan.bytes;
    const encoder = this.#device.createCommandEncoder();
    plan.encode(encoder);
    this.#device.queue.submit([encoder.finish() as never]);
    await plan.commit();
    this.#writeDraws();
  }

  size(): { buffers: number; bytes: number } {
    const { buffers, bufferBytes } = this.arena.stats();
    return { buffers, bytes: bufferBytes };
  }

  destroy(): void {
    this.arena.close();
  }

  #place(mesh: Mesh): Placed {
    const { arena } = this;
    const vertices = arena.allocateFrom(mesh.vertices, {
      role: "vertex",
      stride: VERTEX_BYTES, // so that the mesh begins at a whole vertex
      label: "vertices",
    });
    const indices = arena.allocateFrom(mesh.indices, {
      role: "index",
      stride: 2,
      label: "indices",
    });
    const draw = arena.allocate(20, { role: "indirect", label: "draws" });
    if (!vertices || !indices || !draw) throw new Error("out of space");
    const placed = { vertices, indices, draw };
    const outdate = () => this.#outdated.add(placed);
    vertices.onRelocate(outdate);
    indices.onRelocate(outdate);
    return placed;
  }

  /** Where the first vertex and the first index are is part of the arguments of a draw. */
  #writeDraws(): void {
    for (const { vertices, indices, draw } of this.#outdated) {
      draw.write(drawIndexedArguments(indices, vertices));
    }
    this.#outdated.clear();
  }
}

/** Three buffers for each mesh. */
export class OwnBuffers implements MeshBuffers {
  readonly #device: GpuDeviceLike<GPUBuffer>;
  readonly #buffers: Map<Mesh, readonly GPUBuffer[]> = new Map();

  constructor(device: GpuDeviceLike<GPUBuffer>) {
    this.#device = device;
  }

  exchange(leaving: readonly Mesh[], coming: readonly Mesh[]): Promise<void> {
    for (const mesh of leaving) {
      for (const buffer of this.#buffers.get(mesh)!) buffer.destroy();
      this.#buffers.delete(mesh);
    }
    for (const mesh of coming) {
      const { vertices, indices } = mesh;
      this.#buffers.set(mesh, [
        this.#make(vertices, GpuUsage.VERTEX),
        this.#make(indices, GpuUsage.INDEX),
        this.#make(Uint32Array.of(indices.length, 1, 0, 0, 0), GpuUsage.INDIRECT),
      ]);
    }
    return Promise.resolve();
  }

  draw(pass: GPURenderPassEncoder, meshes: readonly Mesh[]): void {
    for (const mesh of meshes) {
      const [vertices, indices, draw] = this.#buffers.get(mesh)!;
      pass.setVertexBuffer(0, vertices);
      pass.setIndexBuffer(indices, "uint16");
      pass.drawIndexedIndirect(draw, 0);
    }
  }

  tidy(): Promise<void> {
    return Promise.resolve();
  }

  size(): { buffers: number; bytes: number } {
    const all = [...this.#buffers.values()].flat();
    return { buffers: all.length, bytes: all.reduce((sum, { size }) => sum + size, 0) };
  }

  destroy(): void {
    for (const buffers of this.#buffers.values()) for (const buffer of buffers) buffer.destroy();
    this.#buffers.clear();
  }

  #make(data: Uint8Array | Uint16Array | Uint32Array, usage: number): GPUBuffer {
    // The length of a write is a multiple of 4.
    const bytes = new Uint8Array(data.byteLength + (-data.byteLength & 3));
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    const buffer = this.#device.createBuffer({
      size: bytes.length,
      usage: usage | GpuUsage.COPY_DST,
    });
    this.#device.queue.writeBuffer(buffer, 0, bytes);
    return buffer;
  }
}
