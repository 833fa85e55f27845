/// <reference lib="dom" />
/**
 * Tiles that stream: 1,000 of about 960 vertices, of which 20 are replaced each frame.
 *
 * @module
 */

import * as THREE from "three";
import { streamingBatchedMesh, streamingBatches } from "../../../backends/three/mod.ts";
import { seeded } from "../../../tests/support/random.ts";

const TILES = 1000;
const REPLACED = 20;
/** Frames of a run, without those in which buffers are made. */
const FRAMES = 60;
/** What is not measured: buffers are made, and three uploads them a second time. */
const WARM_UP = 3;
/** Space, as a multiple of the most vertices and indices that there are at one time. */
const SPACE = 1.1;

const StreamingBatchedMesh = streamingBatchedMesh(THREE.BatchedMesh);
const StreamingBatches = streamingBatches(THREE);

/** A grid of vertices, with normals and texture coordinates: 32 bytes each. */
function tile(columns: number, rows: number): THREE.BufferGeometry {
  return new THREE.PlaneGeometry(1, 1, columns - 1, rows - 1);
}

/** Tiles of some sizes, made once: each is added again and again. */
const shapes = (() => {
  const random = seeded(1);
  return Array.from({ length: 200 }, () => tile(20 + random(23), 20 + random(23)));
})();

const sizeOf = (shape: THREE.BufferGeometry) => ({
  vertices: shape.attributes.position.count,
  indices: shape.index!.count,
});

/** What happens: the shapes at first, then which tile becomes which shape, frame by frame. */
const script = (() => {
  const random = seeded(2);
  const pick = () => random(shapes.length);
  const first = Array.from({ length: TILES }, pick);
  const frames = Array.from(
    { length: WARM_UP + FRAMES },
    () => Array.from({ length: REPLACED }, () => [random(TILES), pick()] as const),
  );
  return { first, frames };
})();

/** The most vertices and indices at one time, and those at the end. */
const peak = (() => {
  const live = [...script.first], total = { vertices: 0, indices: 0 };
  const most = { vertices: 0, indices: 0 };
  const count = (shape: number, sign: number) => {
    const { vertices, indices } = sizeOf(shapes[shape]);
    total.vertices += sign * vertices;
    total.indices += sign * indices;
    most.vertices = Math.max(most.vertices, total.vertices);
    most.indices = Math.max(most.indices, total.indices);
  };
  for (const shape of live) count(shape, 1);
  for (const [at, shape] of script.frames.flat()) {
    count(live[at], -1);
    live[at] = shape;
    count(shape, 1);
  }
  return { most, last: total };
})();

/** Bytes of so many vertices and indices. */
function bytesOf(
  { vertices, indices }: { vertices: number; indices: number },
  indexBytes: number,
): number {
  return 32 * vertices + indexBytes * indices;
}

/** What is to stream the tiles. */
interface Subject {
  readonly object: THREE.Object3D & {
    addGeometry(shape: THREE.BufferGeometry): number;
    deleteGeometry(id: number): unknown;
    addInstance(id: number): number;
    setMatrixAt(instance: number, matrix: THREE.Matrix4): unknown;
    dispose(): void;
  };
  /** Adds a shape, whatever it takes. */
  add(shape: THREE.BufferGeometry): number;
  endFrame?(): void;
  /** Its geometries now. */
  geometries(): THREE.BufferGeometry[];
  /** Bytes of arrays that were there at the same time, where it grows. */
  peakBytes?(): number;
}

function arrayBytes(geometries: readonly THREE.BufferGeometry[]): number {
  return geometries.flatMap(({ attributes, index }) => [...Object.values(attributes), index!])
    .reduce((sum, { array }) => sum + array.byteLength, 0);
}

const space = (share: number) => {
  const { vertices, indices } = peak.most;
  return [Math.ceil(share * vertices), Math.ceil(share * indices)] as const;
};

/** The contestants by name: three's own first. */
const SUBJECTS: Readonly<Record<string, (material: THREE.Material) => Subject>> = {
  "BatchedMesh, optimize()": (material) => {
    const object = new THREE.BatchedMesh(TILES, ...space(SPACE), material);
    const add = (shape: THREE.BufferGeometry) => {
      const { vertices, indices } = sizeOf(shape);
      if (object.unusedVertexCount < vertices || object.unusedIndexCount < indices) {
        object.optimize();
      }
      return object.addGeometry(shape);
    };
    return { object, add, geometries: () => [object.geometry] };
  },
  StreamingBatchedMesh: (material) => {
    const object = new StreamingBatchedMesh(TILES, ...space(SPACE), material);
    return {
      object,
      add: (shape) => object.addGeometry(shape),
      endFrame: () => object.compact({ vertices: 1764, indices: 10_086, maxMoves: 8 }),
      geometries: () => [object.geometry],
    };
  },
  StreamingBatches: (material) => {
    const object = new StreamingBatches(material);
    return {
      object: object as unknown as Subject["object"],
      add: (shape) => object.addGeometry(shape),
      geometries: () => object.pages.map(({ geometry }) => geometry),
    };
  },
  "StreamingBatchedMesh that grows": (material) => {
    const object = new StreamingBatchedMesh(TILES, ...space(0.4), material);
    let most = 0;
    const add = (shape: THREE.BufferGeometry) => {
      const { vertices, indices } = sizeOf(shape), { vertexSpace, indexSpace } = object;
      if (object.unusedVertexCount < vertices || object.unusedIndexCount < indices) {
        const before = arrayBytes([object.geometry]);
        const sizes = [vertexSpace, indexSpace].map(({ capacity }) => Math.ceil(1.25 * capacity));
        object.setGeometrySize(sizes[0], sizes[1]);
        most = Math.max(most, before + arrayBytes([object.geometry]));
      }
      return object.addGeometry(shape);
    };
    return { object, add, geometries: () => [object.geometry], peakBytes: () => most };
  },
};

/** What a run came to. Times are in milliseconds. */
export interface TileRun {
  readonly median: number;
  readonly longest: number;
  /** Of updates, a replacement. */
  readonly replacement: number;
  /** Bytes of vertices and indices uploaded a frame. */
  readonly meanBytes: number;
  readonly mostBytes: number;
  /** Bytes of the buffers, and the most at one time of the arrays that three keeps. */
  readonly bufferBytes: number;
  readonly arrayBytes: number;
  /** Bytes of one index. */
  readonly indexBytes: number;
}

/** Counts what goes into buffers. */
export class UploadCount {
  bytes = 0;
  constructor(gl: WebGL2RenderingContext) {
    const { bufferData, bufferSubData } = gl;
    const count = (data: unknown, length?: number) => {
      const view = data as { byteLength?: number; BYTES_PER_ELEMENT?: number };
      this.bytes += length === undefined || length === 0
        ? view?.byteLength ?? Number(data)
        : length * (view.BYTES_PER_ELEMENT ?? 1);
    };
    Object.assign(gl, {
      bufferData(...args: unknown[]) {
        count(args[1], args[4] as number | undefined);
        return Reflect.apply(bufferData, gl, args);
      },
      bufferSubData(...args: unknown[]) {
        count(args[2], args[4] as number | undefined);
        return Reflect.apply(bufferSubData, gl, args);
      },
    });
  }
}

/** The names of the contestants. */
export const names: readonly string[] = Object.keys(SUBJECTS);

/** Runs a contestant: everything but drawing, for the camera looks away. */
export function runTiles(
  name: string,
  renderer: THREE.WebGLRenderer,
  uploads: UploadCount,
): TileRun {
  const gl = renderer.getContext(), material = new THREE.MeshBasicMaterial();
  const subject = SUBJECTS[name](material), { object } = subject;
  const scene = new THREE.Scene(), camera = new THREE.PerspectiveCamera();
  camera.position.z = 1000;
  camera.rotation.y = Math.PI;
  object.frustumCulled = false;
  scene.add(object);
  const matrix = new THREE.Matrix4(), ids: number[] = [];
  const add = (at: number, shape: number) => {
    ids[at] = subject.add(shapes[shape]);
    object.setMatrixAt(object.addInstance(ids[at]), matrix.makeTranslation(at, 0, 0));
  };
  script.first.forEach((shape, at) => add(at, shape));
  const times: number[] = [], bytes: number[] = [], pixel = new Uint8Array(4);
  let updating = 0;
  for (const [frame, replaced] of script.frames.entries()) {
    const start = performance.now();
    uploads.bytes = 0;
    for (const [at, shape] of replaced) {
      object.deleteGeometry(ids[at]);
      add(at, shape);
    }
    subject.endFrame?.();
    const updated = performance.now();
    renderer.render(scene, camera);
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel); // waits for the uploads
    if (frame < WARM_UP) continue;
    times.push(performance.now() - start);
    updating += updated - start;
    bytes.push(uploads.bytes);
  }
  const geometries = subject.geometries(), { index } = geometries[0];
  const run: TileRun = {
    median: [...times].sort((a, b) => a - b)[times.length >> 1],
    longest: Math.max(...times),
    replacement: updating / (FRAMES * REPLACED),
    meanBytes: bytes.reduce((sum, one) => sum + one, 0) / FRAMES,
    mostBytes: Math.max(...bytes),
    bufferBytes: arrayBytes(geometries),
    arrayBytes: Math.max(arrayBytes(geometries), subject.peakBytes?.() ?? 0),
    indexBytes: index!.array.BYTES_PER_ELEMENT,
  };
  object.dispose();
  material.dispose();
  return run;
}

/** Bytes that are live at the end, with indices of a width. */
export function liveBytes(indexBytes: number): number {
  return bytesOf(peak.last, indexBytes);
}
