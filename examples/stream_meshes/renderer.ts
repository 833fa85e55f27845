/**
 * The picture: what a frame is drawn into, and read back from.
 *
 * @module
 */

import { VERTEX_BYTES } from "./meshes.ts";

const SHADER = `
struct Out { @builtin(position) position: vec4f, @location(0) @interpolate(flat) colour: vec4f }
@vertex fn vertex(@location(0) position: vec2f, @location(1) colour: vec4f) -> Out {
  return Out(vec4f(position, 0, 1), colour);
}
@fragment fn fragment(in: Out) -> @location(0) vec4f { return in.colour; }`;

/** Pixels along each side; a row of them is a multiple of 256 bytes, as copies need. */
export const SIZE = 256;

/** Draws into a texture. Later draws cover earlier ones: their order makes the picture. */
export class Renderer {
  readonly #device: GPUDevice;
  readonly #pipeline: GPURenderPipeline;
  readonly #texture: GPUTexture;
  readonly #pixels: GPUBuffer;

  private constructor(device: GPUDevice, pipeline: GPURenderPipeline) {
    this.#device = device;
    this.#pipeline = pipeline;
    this.#texture = device.createTexture({
      size: [SIZE, SIZE],
      format: "rgba8unorm",
      usage: GPUTextureUsage.RENDER_ATTACHMENT | GPUTextureUsage.COPY_SRC,
    });
    this.#pixels = device.createBuffer({
      size: SIZE * SIZE * 4,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
  }

  /** Makes the pipeline and the texture. */
  static async create(device: GPUDevice): Promise<Renderer> {
    const module = device.createShaderModule({ code: SHADER });
    const pipeline = await device.createRenderPipelineAsync({
      layout: "auto",
      vertex: {
        module,
        entryPoint: "vertex",
        buffers: [{
          arrayStride: VERTEX_BYTES,
          attributes: [
            { format: "float32x2", offset: 0, shaderLocation: 0 },
            { format: "unorm8x4", offset: 8, shaderLocation: 1 },
          ],
        }],
      },
      fragment: { module, entryPoint: "fragment", targets: [{ format: "rgba8unorm" }] },
    });
    return new Renderer(device, pipeline);
  }

  /** Draws one frame and submits it. */
  draw(record: (pass: GPURenderPassEncoder) => void): void {
    const encoder = this.#device.createCommandEncoder();
    const pass = encoder.beginRenderPass({
      colorAttachments: [{
        view: this.#texture.createView(),
        loadOp: "clear",
        storeOp: "store",
      }],
    });
    pass.setPipeline(this.#pipeline);
    record(pass);
    pass.end();
    const [source, target] = [{ texture: this.#texture }, {
      buffer: this.#pixels,
      bytesPerRow: SIZE * 4,
    }];
    encoder.copyTextureToBuffer(source, target, [SIZE, SIZE]);
    this.#device.queue.submit([encoder.finish()]);
  }

  /** The pixels of the last frame; waits for it. */
  async pixels(): Promise<Uint8Array> {
    await this.#pixels.mapAsync(GPUMapMode.READ);
    const pixels = new Uint8Array(this.#pixels.getMappedRange()).slice();
    this.#pixels.unmap();
    return pixels;
  }

  destroy(): void {
    this.#texture.destroy();
    this.#pixels.destroy();
  }
}
