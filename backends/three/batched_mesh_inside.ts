/**
 * The used inside of three's `BatchedMesh`, as structural types, and the check that a
 * release has it.
 *
 * @module
 */

/** Arrays of attributes and indices. */
export interface NumbersLike {
  [i: number]: number;
  readonly length: number;
  copyWithin(to: number, from: number, end: number): unknown;
  subarray(start: number, end: number): NumbersLike;
  slice(start: number, end: number): NumbersLike;
}

/** A `BufferAttribute`. */
export interface AttributeLike {
  readonly array: NumbersLike;
  readonly count: number;
  readonly itemSize: number;
  readonly normalized: boolean;
  updateRanges: { start: number; count: number }[];
  needsUpdate: boolean;
  addUpdateRange(start: number, count: number): void;
}

/** A `BufferGeometry`. */
export interface GeometryLike {
  readonly index: AttributeLike | null;
  readonly attributes: Readonly<Record<string, AttributeLike>>;
}

/** Facts that a `BatchedMesh` keeps of a geometry. */
export interface GeometryInfo {
  vertexStart: number;
  reservedVertexCount: number;
  indexStart: number;
  reservedIndexCount: number;
  start: number;
  active: boolean;
  readonly boundingBox: unknown;
  readonly boundingSphere: unknown;
}

/** A `DataTexture`. */
export interface TextureLike {
  readonly image: { readonly data: { set(from: unknown): void } };
  needsUpdate: boolean;
}

/** An `Object3D`. */
export interface ObjectLike {
  readonly children: readonly ObjectLike[];
  add(object: object): unknown;
  remove(object: object): unknown;
  clone(): ObjectLike;
  copy(source: ObjectLike, isRecursive?: boolean): unknown;
}

/** A `Material`. */
export interface MaterialLike {
  needsUpdate: boolean;
}

/** A `BatchedMesh`. */
export interface BatchedMeshInside {
  material: MaterialLike | MaterialLike[];
  frustumCulled: boolean;
  boundingBox: unknown;
  boundingSphere: unknown;
  readonly instanceCount: number;
  readonly maxInstanceCount: number;
  readonly geometry: GeometryLike;
  _geometryInfo: GeometryInfo[];
  readonly _instanceInfo: { active: boolean; geometryIndex: number }[];
  _availableGeometryIds: number[];
  _availableInstanceIds: number[];
  _nextVertexStart: number;
  _nextIndexStart: number;
  _maxVertexCount: number;
  _maxIndexCount: number;
  _visibilityChanged: boolean;
  readonly _matricesTexture: TextureLike;
  readonly _indirectTexture: TextureLike;
  readonly _colorsTexture: TextureLike | null;
  _initMatricesTexture(): void;
  _initIndirectTexture(): void;
  _initColorsTexture(): void;
  _initializeGeometry(geometry: GeometryLike): void;
  _validateGeometry(geometry: GeometryLike): void;
  addGeometry(geometry: GeometryLike, vertices?: number, indices?: number): number;
  setGeometryAt(id: number, geometry: GeometryLike): number;
  deleteGeometry(id: number): this;
  addInstance(geometryId: number): number;
  deleteInstance(id: number): this;
  setGeometryIdAt(id: number, geometryId: number): this;
  optimize(): this;
  setGeometrySize(maxVertexCount: number, maxIndexCount: number): void;
  setInstanceCount(maxInstanceCount: number): void;
  setMatrixAt(id: number, matrix: unknown): unknown;
  getMatrixAt(id: number, matrix: unknown): unknown;
  setColorAt(id: number, color: unknown): unknown;
  getColorAt(id: number, color: unknown): unknown;
  setVisibleAt(id: number, visible: boolean): unknown;
  getVisibleAt(id: number): boolean;
  getBoundingBoxAt(id: number, target: unknown): unknown;
  getBoundingSphereAt(id: number, target: unknown): unknown;
  getGeometryRangeAt(
    id: number,
  ): Readonly<Record<"vertexStart" | "vertexCount" | "indexStart" | "indexCount", number>>;
  copy(source: BatchedMeshInside): this;
  clone(): this;
  raycast(raycaster: unknown, intersects: unknown[]): unknown;
  onBeforeRender(...args: unknown[]): void;
  dispose(): void;
}

/** Three as a group of batches sees it. */
export interface ThreeInside {
  readonly BatchedMesh: BatchedMeshConstructor;
  readonly Group: new () => ObjectLike;
  readonly BufferGeometry: new () => GeometryLike & {
    setAttribute(name: string, attribute: unknown): void;
    setIndex(index: unknown): void;
  };
  readonly BufferAttribute: new (
    array: NumbersLike,
    itemSize: number,
    normalized?: boolean,
  ) => AttributeLike;
  readonly Matrix4: new () => unknown;
  readonly Vector4: new (x?: number, y?: number, z?: number, w?: number) => unknown;
}

/** The class of it. */
export type BatchedMeshConstructor = new (
  maxInstanceCount: number,
  maxVertexCount: number,
  maxIndexCount?: number,
  material?: unknown,
) => BatchedMeshInside;

/** The members that a release must have, by type. */
const NEEDED = {
  object: "geometry _geometryInfo _instanceInfo _availableGeometryIds _availableInstanceIds " +
    "_matricesTexture _indirectTexture",
  number: "_nextVertexStart _nextIndexStart _maxVertexCount _maxIndexCount",
  boolean: "_visibilityChanged",
  function: "_initializeGeometry _validateGeometry _initMatricesTexture _initIndirectTexture " +
    "_initColorsTexture setGeometrySize deleteGeometry setGeometryIdAt onBeforeRender",
};

/**
 * Throws where a release of three is another inside than those this was made for.
 *
 * @throws {Error} It names what is missing, and the release where that is known.
 */
export function expectInside(mesh: object): void {
  const members = mesh as Record<string, unknown>, missing: string[] = [];
  for (const [type, names] of Object.entries(NEEDED)) {
    missing.push(...names.split(" ").filter((name) => !isOf(members[name], type)));
  }
  if (missing.length === 0) return;
  const release = (globalThis as { __THREE__?: string }).__THREE__ ?? "of an unknown release";
  throw new Error(
    `Expected three of r178 to r187, got one (${release}) whose BatchedMesh has no ` +
      missing.join(", "),
  );
}

function isOf(value: unknown, type: string): boolean {
  const found: string = typeof value;
  return found === type;
}
