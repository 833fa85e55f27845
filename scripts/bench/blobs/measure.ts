/**
 * Everything the benchmark measures, on the runtime that it runs on. The contestants take
 * turns, slice by slice, so that a change of the machine's speed meets all of them.
 *
 * @module
 */

import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type Contestant, contestants, FILES, OURS } from "./contestants.ts";
import type { Mode, OpenStore } from "./open_store.ts";
import { inFreshProcess } from "./fresh_process.ts";
import { OurStore } from "./our_store.ts";
import { type Report, Rounds, type Row, type Section } from "./report.ts";
import { host } from "../runner.ts";
import { type Change, PARETO, SMALL, Work } from "./work.ts";

/** The measures, by the names that select them. */
export const MEASURES = [
  "put",
  "bulk",
  "get",
  "hot",
  "one",
  "open",
  "memory",
  "churn",
  "crash",
] as const;
export type Measure = (typeof MEASURES)[number];

/** What is measured, and with what. */
export interface Settings {
  /** An empty folder for the files. */
  readonly folder: string;
  /** Where the native addons are, if anywhere. */
  readonly addons?: string;
  readonly effort: Effort;
  readonly only: readonly Measure[];
}

/** How much work is done. */
export interface Effort {
  /** Blobs of the Pareto work. */
  readonly pareto: number;
  /** Blobs of the work with small ones. */
  readonly small: number;
  /** Slices in which the blobs are put. */
  readonly slices: number;
  /** Rounds of gets, and gets in each. */
  readonly rounds: number;
  readonly gets: number;
  /** Puts of one blob, each durable. */
  readonly singles: number;
  /** Processes in which a store is opened. */
  readonly opens: number;
}

export const FULL: Effort = {
  pareto: 100_000,
  small: 1_000_000,
  slices: 10,
  rounds: 101,
  gets: 300,
  singles: 400,
  opens: 5,
};

export const QUICK: Effort = {
  pareto: 5000,
  small: 20_000,
  slices: 5,
  rounds: 21,
  gets: 300,
  singles: 100,
  opens: 3,
};

/** Blobs in a commit where every so many are durable. */
const EVERY = 100;
/** Most blobs of the durable puts: of a million the first so many, into an empty store. */
const MAX_DURABLE = 100_000;
/** The row of gets without a copy for each value. */
const GET_INTO = "getInto (lmdb: getBinaryFast)";
/** Of so many blobs that are put durably, a file each, slow as it is, puts one. */
const FILE_SHARE = 10;

export async function measure(settings: Settings): Promise<Report> {
  const { effort, addons } = settings, all = await contestants(addons);
  const pareto = new Bench(settings, all, new Work(PARETO, effort.pareto));
  // A million files take minutes, and the file system's structures, not the store's.
  const fewer = all.filter(({ name }) => name !== FILES);
  const small = new Bench(settings, fewer, new Work(SMALL, effort.small));
  const sections = [
    await pareto.run(["put", "bulk", "get", "one", "open", "memory", "churn", "crash"]),
    await small.run(["put", "bulk", "get", "hot", "open", "memory"]),
  ];
  return {
    ...host(),
    contestants: all.map(({ name }) => name),
    sections: sections.filter(({ rows }) => rows.length > 0),
  };
}

/** A contestant with its store. */
interface Lane {
  readonly contestant: Contestant;
  readonly name: string;
  readonly folder: string;
  store: OpenStore;
}

/** The measures of one work, one after another on the same stores. */
class Bench {
  readonly #settings: Settings;
  readonly #contestants: readonly Contestant[];
  readonly #work: Work;
  readonly #rows: Row[] = [];
  #lanes: Lane[] = [];

  constructor(settings: Settings, all: readonly Contestant[], work: Work) {
    this.#settings = settings;
    this.#contestants = all;
    this.#work = work;
  }

  async run(measures: readonly Measure[]): Promise<Section> {
    const { spread, count } = this.#work, { only } = this.#settings;
    const wanted = measures.filter((name) => only.includes(name));
    if (wanted.includes("put")) await this.#put();
    if (wanted.some((name) => name !== "put" && name !== "crash")) {
      await this.#bulk(wanted.includes("bulk"));
      if (wanted.includes("get")) await this.#get();
      if (wanted.includes("hot")) await this.#hot();
      if (wanted.includes("one")) await this.#one();
      await this.#closeAll();
      if (wanted.includes("open") || wanted.includes("memory")) this.#open(wanted);
      if (wanted.includes("churn")) await this.#churn();
      this.#remove();
    }
    if (wanted.includes("crash")) this.#crash();
    return { title: `${count.toLocaleString("en")} blobs, ${spread.about}`, rows: this.#rows };
  }

  /** Puts into empty stores, durable every 100. */
  async #put(): Promise<void> {
    this.#say("put, durable every 100");
    const { slices } = this.#settings.effort;
    const work = new Work(this.#work.spread, Math.min(this.#work.count, MAX_DURABLE), 2);
    await this.#openAll("durable");
    const slice = work.count / slices, times = new Rounds();
    for (let round = 0; round < slices; round++) {
      const changes = work.puts(round * slice, (round + 1) * slice);
      for (const lane of inTurn(this.#lanes, round)) {
        const share = lane.name === FILES ? FILE_SHARE : 1;
        const part = changes.slice(0, Math.ceil(slice / share));
        times.add(lane.name, await this.#timeGroups(lane, part, EVERY) / part.length);
      }
    }
    await this.#closeAll();
    this.#remove();
    this.#rows.push(times.compared("put", "put, durable every 100", "blobs/s"));
  }

  /** Fills empty stores. A slice ends durable: else its writing would meet another's turn. */
  async #bulk(isWanted: boolean): Promise<void> {
    this.#say("bulk put");
    const { slices } = this.#settings.effort, work = this.#work;
    await this.#openAll("bulk");
    const slice = work.count / slices, times = new Rounds();
    for (let round = 0; round < slices; round++) {
      const changes = work.puts(round * slice, (round + 1) * slice);
      for (const lane of inTurn(this.#lanes, round)) {
        times.add(lane.name, await this.#timeGroups(lane, changes, slice) / slice);
      }
    }
    const label = `bulk put, durable every ${slice.toLocaleString("en")}`;
    if (isWanted) this.#rows.push(times.compared("bulk", label, "blobs/s"));
  }

  /** Gets of random blobs. */
  async #get(): Promise<void> {
    this.#say("get");
    const { gets } = this.#settings.effort;
    const nextKeys = () => this.#work.keys(gets);
    await this.#compareSums("get", "get (the blob store checks)", nextKeys);
    await this.#compareSums("getInto", GET_INTO, nextKeys, true);
  }

  /** Gets of the same blobs over and over. */
  async #hot(): Promise<void> {
    this.#say("hot get");
    const keys = this.#work.keys(this.#settings.effort.gets);
    await this.#compareSums("hot", "get, the same over and over", () => keys);
    await this.#compareSums("hotInto", GET_INTO, () => keys, true);
  }

  async #compareSums(
    id: string,
    label: string,
    nextKeys: () => readonly string[],
    isInto = false,
  ): Promise<void> {
    const { rounds, gets } = this.#settings.effort, times = new Rounds(), warmUp = 10;
    const lanes = this.#lanes.filter(({ store }) => !isInto || store.sumInto !== undefined);
    for (let round = -warmUp; round < rounds; round++) {
      const keys = nextKeys(), sums: number[] = [];
      for (const lane of inTurn(lanes, round + warmUp)) {
        const start = performance.now();
        sums.push(await (isInto ? lane.store.sumInto!(keys) : lane.store.sum(keys)));
        if (round >= 0) times.add(lane.name, (performance.now() - start) / gets);
      }
      // The sink, and the proof that all got the same.
      if (sums.some((one) => one !== sums[0])) throw new Error(`Sums of values differ: ${sums}`);
    }
    this.#rows.push(times.compared(id, label, "blobs/s"));
  }

  /** Puts of one blob of 4 KiB, each durable. */
  async #one(): Promise<void> {
    this.#say("one durable put");
    const { singles, slices } = this.#settings.effort, times = new Rounds();
    await this.#closeAll();
    await this.#openAll("durable");
    for (let round = 0; round < slices; round++) {
      const changes = this.#work.extras(singles / slices, 4096);
      for (const lane of inTurn(this.#lanes, round)) {
        for (const change of changes) {
          times.add(lane.name, await this.#timeGroups(lane, [change], 1));
        }
        await lane.store.commit(changes.map(({ key }) => ({ key, value: undefined })));
      }
    }
    this.#rows.push(times.comparedMedians("one", "put of 4 KiB, durable, p50", "ms"));
  }

  /** Opens each store in fresh processes, where no code is warm. */
  #open(wanted: readonly Measure[]): void {
    this.#say("open");
    const { opens } = this.#settings.effort, times = new Rounds();
    const index = new Rounds(), heap = new Rounds();
    const { count } = this.#work, keyBytes = this.#work.key(0).length;
    for (let round = 0; round < opens; round++) {
      for (const lane of inTurn(this.#lanes, round)) {
        const key = this.#work.key(round);
        const report = inFreshProcess({ ...this.#task(lane), action: "open", key });
        times.add(lane.name, report.ms);
        if (lane.name !== OURS) continue;
        index.add(OURS, report.indexBytes! / count - keyBytes);
        heap.add(OURS, report.heapBytes! / count - keyBytes);
      }
    }
    if (wanted.includes("open")) this.#rows.push(times.medians("open", "open, then one get", "ms"));
    if (!wanted.includes("memory")) return;
    this.#rows.push(
      index.medians("memory", "index per key, less the key", "bytes"),
      heap.medians("heap", "memory per key, less the key", "bytes"),
    );
  }

  /** As many overwrites, deletes and puts as there are blobs, then the bytes of the files. */
  async #churn(): Promise<void> {
    this.#say("churn");
    const { slices } = this.#settings.effort, work = this.#work;
    const slice = work.count / slices, times = new Rounds();
    await this.#openAll("bulk");
    for (let round = 0; round < slices; round++) {
      const changes = work.churn(slice);
      for (const lane of inTurn(this.#lanes, round)) {
        times.add(
          lane.name,
          await this.#timeGroups(lane, changes, changes.length) / changes.length,
        );
      }
    }
    await this.#closeAll();
    const space = new Rounds(), compacted = new Rounds();
    for (const { name, folder } of this.#lanes) {
      space.add(name, diskBytes(folder) / work.liveBytes);
    }
    const [ours] = this.#lanes;
    const { store } = await OurStore.open(ours.folder, "bulk");
    await store.compact();
    await store.close();
    compacted.add(OURS, diskBytes(ours.folder) / work.liveBytes);
    this.#rows.push(
      times.compared("overwrite", "churn, in bulk", "blobs/s"),
      space.medians("churn", "files after churn, over live bytes", "times"),
      compacted.medians("compact", "the same after compact()", "times"),
    );
  }

  /**
   * Opens stores whose writer was killed: first one that put everything, then ones that
   * opened it and wrote a little more, so that logs of several lengths are met.
   */
  #crash(): void {
    this.#say("open after a crash");
    const { opens } = this.#settings.effort, times = new Rounds();
    const { spread, count } = this.#work, filled = new Work(spread, count);
    this.#lanes = this.#newLanes().filter(({ name }) => name !== FILES);
    for (let round = 0; round <= opens; round++) {
      for (const lane of inTurn(this.#lanes, round)) {
        const write = Math.ceil(round === 0 ? count : count / 20 * round / opens);
        const report = inFreshProcess({
          ...this.#task(lane),
          action: "crash",
          key: filled.key(round),
          spread: spread.name,
          count,
          write,
          round,
        });
        if (round > 0) times.add(lane.name, report.ms);
      }
    }
    this.#rows.push(
      times.medians("crash", "open after a crash, then one get", "ms"),
      times.maxima("crashWorst", "the slowest of them", "ms"),
    );
    this.#remove();
  }

  #task({ name, folder }: Lane): { contestant: string; folder: string; addons?: string } {
    return { contestant: name, folder, addons: this.#settings.addons };
  }

  /** Milliseconds for commits of so many changes each. */
  async #timeGroups({ store }: Lane, changes: readonly Change[], size: number): Promise<number> {
    const groups: Change[][] = [];
    for (let begin = 0; begin < changes.length; begin += size) {
      groups.push(changes.slice(begin, begin + size));
    }
    const start = performance.now();
    for (const group of groups) await store.commit(group);
    return performance.now() - start;
  }

  #newLanes(): Lane[] {
    return this.#contestants.map((contestant) => {
      const { name } = contestant, folder = join(this.#settings.folder, name.replaceAll(" ", "-"));
      mkdirSync(folder);
      return { contestant, name, folder, store: CLOSED };
    });
  }

  async #openAll(mode: Mode): Promise<void> {
    if (this.#lanes.length === 0) this.#lanes = this.#newLanes();
    for (const lane of this.#lanes) lane.store = await lane.contestant.open(lane.folder, mode);
  }

  async #closeAll(): Promise<void> {
    for (const lane of this.#lanes) await lane.store.close();
  }

  #remove(): void {
    for (const { folder } of this.#lanes) rmSync(folder, { recursive: true });
    this.#lanes = [];
  }

  #say(what: string): void {
    if (process.stderr.isTTY) console.error(`  ${what}, ${this.#work.spread.about}`);
  }
}

/** Forwards and backwards by turns, so that nobody always follows the same neighbour. */
function inTurn(lanes: readonly Lane[], round: number): readonly Lane[] {
  return round % 2 === 0 ? lanes : lanes.toReversed();
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

/** Of each file its length or what the disk gives it, whichever is more. */
function diskBytes(folder: string): number {
  return sumOf(
    readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => {
      const stat = statSync(join(folder, name));
      return stat.isFile() ? Math.max(stat.size, (stat.blocks ?? 0) * 512) : 0;
    }),
  );
}

const CLOSED: OpenStore = {
  commit: refuse,
  get: refuse,
  sum: refuse,
  close() {},
};

function refuse(): never {
  throw new Error("The store is not open");
}
