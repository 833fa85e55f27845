/**
 * The meshes of the scene: coloured fans of 3 to 200 corners, the same for the same seed.
 *
 * @module
 */

/** A mesh, and when it is in the scene. */
export interface Mesh {
  /** Vertices of {@linkcode VERTEX_BYTES} each: x and y as float32, a colour in bytes. */
  readonly vertices: Uint8Array<ArrayBuffer>;
  /** Three for each triangle, counted from the mesh's first vertex. */
  readonly indices: Uint16Array<ArrayBuffer>;
  /** First frame with the mesh. */
  readonly from: number;
  /** First frame without it. */
  readonly until: number;
}

/** Bytes of a vertex. */
export const VERTEX_BYTES = 12;

/** Makes `count` meshes that come and go over so many frames. */
export function makeMeshes(count: number, frames: number, seed: number): Mesh[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, (_, i) => {
    const from = Math.floor(i * frames / count);
    // Most are small.
    const corners = 3 + Math.floor(198 * random() ** 3);
    const radius = 0.01 + 0.05 * random();
    const [x, y] = [2 * random() - 1, 2 * random() - 1];
    const colour = Math.floor(random() * 0x1000000) | 0xff000000;
    return {
      ...fan(corners, x, y, radius, colour),
      from,
      until: from + 2 + Math.floor(8 * random()),
    };
  });
}

/** A polygon as a fan of triangles. */
function fan(corners: number, x: number, y: number, radius: number, colour: number) {
  const vertices = new Uint8Array(corners * VERTEX_BYTES), view = new DataView(vertices.buffer);
  for (let i = 0; i < corners; i++) {
    const angle = 2 * Math.PI * i / corners, at = i * VERTEX_BYTES;
    view.setFloat32(at, x + radius * Math.cos(angle), true);
    view.setFloat32(at + 4, y + radius * Math.sin(angle), true);
    view.setUint32(at + 8, colour >>> 0, true);
  }
  const indices = new Uint16Array(3 * (corners - 2));
  for (let i = 0; i < corners - 2; i++) indices.set([0, i + 1, i + 2], 3 * i);
  return { vertices, indices };
}

/** Numbers from 0 to 1 (xorshift32). */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
