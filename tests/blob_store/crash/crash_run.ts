/**
 * A workload on a simulated disk that crashes at every write, every change of length
 * and every flush, in every way that {@linkcode crashImages} knows, and recovers.
 *
 * @module
 */

import { assert } from "@std/assert";
import { setImmediate } from "node:timers";
import type { BackingStore } from "../../../src/arena/backing_store.ts";
import type { BlobStore } from "../../../src/blob_store/blob_store.ts";
import type {
  BatchOperation,
  BlobSource,
  BlobStoreOptions,
  Durability,
} from "../../../src/blob_store/types.ts";
import { type Random, seeded } from "../../support/random.ts";
import { type Content, Contents, difference, short, type State } from "./contents.ts";
import { crashImages } from "./crash_images.ts";
import { History, type Moment, type Transaction } from "./history.ts";
import { type DiskOperation, type DiskState, SimulatedDisk } from "./simulated_disk.ts";
import {
  type Action,
  type ChangeAction,
  changesOf,
  type Profile,
  PROFILES,
  type PutAction,
  type Step,
  type TransferAction,
  Workload,
} from "./workload.ts";

/** What opens a store: the store under test, or one with a planted bug. */
export type OpenStore = (store: BackingStore, options?: BlobStoreOptions) => Promise<BlobStore>;

/** One workload. */
export interface CrashRun {
  readonly open: OpenStore;
  readonly seed: number;
  /** By default one that the seed chooses. */
  readonly profile?: Profile;
  /** Steps of the workload; 40 by default. */
  readonly steps?: number;
  /** One moment in so many is crashed at; 5 by default, so that more workloads fit in a minute. */
  readonly every?: number;
  /** Ends the run after so many images; no limit by default. */
  readonly maxImages?: number;
}

/** One image in so many recovers, goes on, and crashes again. */
const AGAIN = 7;
/** Most images of a moment, by turns: 64 take all subsets of six pieces. */
const LIMITS = [64, 8, 16, 8];
const LIMIT_AGAIN = 6;

/** A moment to crash at. */
interface CrashPoint {
  readonly state: DiskState;
  readonly moment: Moment;
  readonly operation: DiskOperation | "end";
}

/**
 * Runs a workload and crashes it. A failure names the seed, the place and the image.
 *
 * @returns The number of images that were recovered from.
 */
export async function crashRun(run: CrashRun): Promise<number> {
  const { seed, steps = 40, every = 5, maxImages = Infinity } = run;
  const usual = run.profile ?? PROFILES[seed % PROFILES.length];
  // Every other run remembers nothing that it can read again.
  const options = seed % 2 === 0 ? usual.options : { ...usual.options, cacheBytes: 0 };
  const profile = { ...usual, options };
  const count = { images: 0 };
  const common = { open: run.open, profile, contents: new Contents(), every, maxImages, count };
  try {
    const random = seeded(seed);
    const session = await Session.start(common, new SimulatedDisk(), random);
    await session.work(new Workload(profile, random), steps);
  } catch (cause) {
    throw failure(`seed ${seed} (${profile.name}), image ${count.images}: `, cause);
  }
  return count.images;
}

/** What the sessions of a run share. */
interface Common {
  readonly open: OpenStore;
  readonly profile: Profile;
  readonly contents: Contents;
  readonly every: number;
  readonly maxImages: number;
  readonly count: { images: number };
}

/** A store that is opened, worked with, and crashed behind its back. */
class Session {
  readonly #common: Common;
  readonly #disk: SimulatedDisk;
  readonly #random: Random;
  readonly #isAgain: boolean;
  #store: BlobStore;
  #history: History;
  #points: CrashPoint[] = [];

  private constructor(
    common: Common,
    disk: SimulatedDisk,
    store: BlobStore,
    history: History,
    random: Random,
    isAgain: boolean,
  ) {
    this.#common = common;
    this.#disk = disk;
    this.#store = store;
    this.#history = history;
    this.#random = random;
    this.#isAgain = isAgain;
    disk.onOperation = (operation) => this.#record(operation);
  }

  /** Makes a store on an empty disk. */
  static async start(common: Common, disk: SimulatedDisk, random: Random): Promise<Session> {
    const store = await common.open(disk, common.profile.options);
    return new Session(common, disk, store, new History(new Map()), random, false);
  }

  /**
   * Opens what a crash left, checks it, and crashes while that goes on: from the moment
   * that the store was open it has to hold the same for ever.
   *
   * @param isRight Throws where the store may not hold what it does.
   * @param isRightEarly The same for a crash before the first flush, where more may be lost.
   */
  static async recover(
    common: Common,
    disk: SimulatedDisk,
    random: Random,
    isRight: (state: State) => void,
    isRightEarly: (state: State) => void = isRight,
  ): Promise<Session> {
    const before = disk.state.durable, points: CrashPoint[] = [];
    const { moment } = new History(new Map());
    disk.onOperation = (operation) => points.push({ state: disk.state, moment, operation });
    const store = await common.open(disk, common.profile.options);
    const contents = new Contents(common.contents), state = await contents.read(store, random);
    isRight(state);
    const inner = { ...common, contents };
    const session = new Session(inner, disk, store, new History(state), random, true);
    for (const point of points) {
      const isEarly = point.state.durable === before;
      await session.#examine(point, isEarly ? isRightEarly : isRight);
    }
    session.#record("end");
    await session.#examineAll();
    return session;
  }

  /** Does some steps, each with its crashes. */
  async work(workload: Workload, steps: number): Promise<void> {
    for (let step = 0; step < steps && !this.#isDone; step++) {
      const todo = workload.next();
      try {
        if (typeof todo === "string") await this.#reopen(todo);
        else await this.#together(todo);
        await drained(); // a checkpoint may have begun by itself
        this.#history.endGroup();
        const state = await this.#common.contents.read(this.#store, this.#random);
        const wrong = difference(state, this.#history.state);
        assert(wrong === undefined, `without a crash: ${wrong}`);
        if (step === steps - 1) this.#record("end");
        await this.#examineAll();
      } catch (cause) {
        throw failure(`step ${step} (${describe(todo)}), `, cause);
      }
    }
  }

  get #isDone(): boolean {
    return this.#common.count.images >= this.#common.maxImages;
  }

  #record(operation: CrashPoint["operation"]): void {
    const { state } = this.#disk, { moment } = this.#history, last = this.#points.at(-1);
    // What the moment before could leave, this one can leave too.
    if (last?.state.changes === state.changes && last.moment === moment) this.#points.pop();
    this.#points.push({ state, moment, operation });
  }

  /** Begins some calls together and waits for all. */
  async #together(actions: readonly Action[]): Promise<void> {
    const history = this.#history, { contents, profile } = this.#common;
    const { durability = "commit", maxByteLength } = profile.options;
    const ends = actions.map(async (action) => {
      const { changes, isRefused } = effectsOf(action, history.state, contents);
      const before = [...history.acknowledged], transaction = history.begin(changes);
      transaction.isRefused = isRefused;
      try {
        await perform(this.#store, action);
      } catch (error) {
        // By name: a copy of the store has classes of its own.
        const { name } = error as Error;
        if (name === "ConditionFailedError" && isRefused) return;
        if (name !== "StoreFullError" || maxByteLength === undefined) throw error;
        transaction.isRefused = true;
        return;
      }
      assert(!isRefused, "a condition that fails was let pass");
      history.acknowledge(transaction);
      if (isDurable(action, durability)) history.keep([...before, transaction]);
    });
    const failed = (await Promise.allSettled(ends)).find(({ status }) => status === "rejected");
    if (failed) throw (failed as PromiseRejectedResult).reason;
  }

  /** Opens the store again, closed or left as a killed process would. */
  async #reopen(way: "close" | "kill"): Promise<void> {
    const { open, profile } = this.#common;
    if (way === "close") {
      await this.#store.close();
      this.#history.keep([]);
    }
    this.#store = await open(this.#disk, profile.options);
    this.#history.keep([]);
  }

  async #examineAll(): Promise<void> {
    const points = this.#points;
    this.#points = [];
    const every = this.#isAgain ? 1 : this.#common.every;
    for (const point of points) {
      if (this.#random(every) > 0) continue;
      await this.#examine(point, (state) => {
        if (this.#history.explain(state, point.moment)) return;
        throw new Error(this.#history.complaint(state, point.moment));
      });
    }
  }

  /** Crashes at a moment and recovers from all that may leave. */
  async #examine(point: CrashPoint, isRight: (state: State) => void): Promise<void> {
    const random = this.#random, common = this.#common, { count } = common;
    const limit = this.#isAgain ? LIMIT_AGAIN : LIMITS[random(LIMITS.length)];
    for (const { bytes, description } of crashImages(point.state, random, limit)) {
      if (this.#isDone) return;
      count.images++;
      try {
        const disk = new SimulatedDisk(bytes);
        if (!this.#isAgain && count.images % AGAIN === 0) {
          const session = await Session.recover(common, disk, random, isRight);
          await session.goOn();
          continue;
        }
        const store = await common.open(disk, common.profile.options);
        isRight(await common.contents.read(store, random));
        if (random(50) > 0) continue;
        const { damaged } = await store.verify();
        assert(damaged.length === 0, `verify: ${JSON.stringify(damaged[0])}`);
      } catch (cause) {
        throw failure(`crash at ${at(point)}, ${description}: `, cause);
      }
    }
    if (this.#isAgain || random(3) > 0 || this.#isDone) return;
    count.images++;
    try {
      await this.#kill(point, isRight);
    } catch (cause) {
      throw failure(`killed at ${at(point)}: `, cause);
    }
  }

  /** Kills the process, opens the store again, and only then takes the power away. */
  async #kill(point: CrashPoint, isRight: (state: State) => void): Promise<void> {
    const disk = SimulatedDisk.unflushed(point.state);
    const isRightNow = (state: State) => {
      if (this.#history.explainKill(state, point.moment)) return;
      throw new Error(this.#history.complaint(state, point.moment));
    };
    const session = await Session.recover(this.#common, disk, this.#random, isRightNow, isRight);
    await session.goOn();
  }

  /** Does a few steps more. */
  async goOn(): Promise<void> {
    const random = this.#random;
    await this.work(new Workload(this.#common.profile, random), random(4));
  }
}

/** A failure with where it was; its cause is the first one. */
function failure(where: string, error: unknown): Error {
  const { message, cause = error } = error as Error;
  return new Error(where + message, { cause });
}

/** Resolves once no promise is left that waits for nothing but others. */
function drained(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/** What a call does to a state, and whether one of its conditions fails. */
function effectsOf(
  action: Action,
  state: State,
  contents: Contents,
): { changes: Transaction["changes"]; isRefused: boolean } {
  const now = new Map(state), changes: [string, Content | undefined][] = [];
  let isRefused = false;
  const set = (key: string, content: Content | undefined) => {
    changes.push([key, content]);
    if (content === undefined) now.delete(key);
    else now.set(key, content);
  };
  for (const change of changesOf(action)) {
    if ("from" in change) {
      const { type, from, to, isNew } = change, content = now.get(from);
      isRefused ||= content === undefined || (isNew && now.has(to));
      if (content === undefined || from === to) continue;
      const metadata = content.metadata === "" ? undefined : JSON.parse(content.metadata);
      set(to, contents.put(to, content.bytes, metadata));
      if (type === "rename") set(from, undefined);
      continue;
    }
    const { key, condition } = change;
    isRefused ||= condition === "never" || (condition === "present" && !now.has(key)) ||
      (condition === "absent" && now.has(key));
    set(key, change.type === "put" ? contents.put(key, change.bytes, change.metadata) : undefined);
  }
  return { changes, isRefused };
}

/** What states the condition of a change: at once wherever it can, as calls keep their order. */
function conditionsOf(
  store: BlobStore,
  { key, condition }: Exclude<ChangeAction, TransferAction>,
): Conditions | Promise<Conditions> {
  if (condition === "absent") return { ifNoneMatch: "*" };
  if (condition === "never") return { ifMatch: "never" };
  if (condition === undefined) return {};
  return store.stat(key).then((info) => ({ ifMatch: info?.etag ?? "there is none" }));
}

interface Conditions {
  readonly ifMatch?: string;
  readonly ifNoneMatch?: "*";
}

async function perform(store: BlobStore, action: Action): Promise<void> {
  if (action.type === "put") {
    const { key, metadata } = action;
    const asked = conditionsOf(store, action);
    const conditions = asked instanceof Promise ? await asked : asked;
    const options = { ...conditions, ...metadata !== undefined && { metadata } };
    const { etag, size } = await store.put(key, valueOf(action), options);
    assert(size === action.bytes.length && etag !== undefined, "what a put returns");
  } else if (action.type === "delete") {
    const asked = conditionsOf(store, action);
    await store.delete(action.key, asked instanceof Promise ? await asked : asked);
  } else if (action.type === "rename" || action.type === "copy") {
    const { type, from, to, isNew } = action;
    await store[type](from, to, isNew ? { ifNoneMatch: "*" } : {});
  } else if (action.type === "batch") {
    const steps: BatchOperation[] = [];
    for (const operation of action.operations) {
      if ("from" in operation) {
        const { type, from, to, isNew } = operation;
        steps.push({ type, from, to, ...isNew && { ifNoneMatch: "*" } });
        continue;
      }
      const asked = conditionsOf(store, operation);
      const conditions = asked instanceof Promise ? await asked : asked;
      if (operation.type === "delete") {
        steps.push({ type: "delete", key: operation.key, ...conditions });
      } else {
        const { key, metadata } = operation, value = valueOf(operation);
        const extra = metadata !== undefined && { metadata };
        steps.push({ type: "put", key, value, ...extra, ...conditions });
      }
    }
    await store.batch(steps);
  } else if (action.type === "compact") {
    await store.compact(action.maxBytes === undefined ? {} : { maxBytes: action.maxBytes });
  } else await store[action.type]();
}

/** The bytes of a put in the form it hands them over. */
function valueOf({ bytes, source }: PutAction): BlobSource {
  if (source === "string") return new TextDecoder().decode(bytes);
  if (source === "blob") return new Blob([bytes.slice()]);
  if (source === "bytes") return bytes;
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at === bytes.length) return controller.close();
      const end = Math.min(bytes.length, at + 1 + at * 3 % 5000);
      controller.enqueue(bytes.slice(at, at = end));
    },
  });
}

/** Whether a power loss takes nothing away of what was done once a call has ended. */
function isDurable(action: Action, durability: Durability): boolean {
  if (action.type === "flush" || action.type === "checkpoint") return true;
  if (action.type === "compact" || durability === "none") return false;
  // A batch that changes nothing need not write anything.
  if (action.type === "batch") {
    return action.operations.some((one) =>
      one.type === "put" || ("to" in one && one.from !== one.to)
    );
  }
  return durability === "commit";
}

/** A moment, for the report of a failure. */
function at({ operation, state }: CrashPoint): string {
  const changes = state.changes.slice(0, state.count).map((change) =>
    change.kind === "resize"
      ? `resize to ${change.to}`
      : `${change.data.length} at ${change.offset}`
  );
  const pending = changes.length > 12 ? [...changes.slice(0, 12), "..."] : changes;
  return `${operation} (unflushed: ${pending.join(", ") || "nothing"})`;
}

/** A step, for the report of a failure. */
function describe(step: Step): string {
  if (typeof step === "string") return step;
  return step.map((action) => {
    const changes = changesOf(action).map((change) => {
      if ("from" in change) {
        const { type, from, to, isNew } = change;
        return `${type} ${short(from)} to ${short(to)}${isNew ? " if new" : ""}`;
      }
      const condition = change.condition === undefined ? "" : ` if ${change.condition}`;
      return change.type === "put"
        ? `put ${short(change.key)} ${change.bytes.length} by ${change.source}${condition}`
        : `delete ${short(change.key)}${condition}`;
    });
    return action.type === "batch" ? `batch[${changes.join("; ")}]` : changes[0] ?? action.type;
  }).join(" & ");
}
