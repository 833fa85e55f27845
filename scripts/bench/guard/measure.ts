/**
 * Times the same work in several lanes, piece by piece in turn. A piece is some thousand
 * operations; of each, only the least of its times counts. So the other programs on a machine have
 * to disturb the same piece in every pass to be seen. A page loads it too: no module of a runtime
 * is imported.
 *
 * @module
 */

import { contestant } from "../allocators/contestant.ts";
import { guarded, type Names, traceOf } from "./lanes.ts";

/** The module that has each name, of one lane; none for a name that its revision lacks. */
export type Modules = Readonly<Record<string, string>>;

/** Operations in a piece, where the clock counts nanoseconds. */
const PIECE = 4_000;

/** Nanoseconds an operation, by trace, in each lane. */
export type Times = Record<string, number[]>;

/**
 * Times one of {@linkcode guarded} in all lanes, on the runtime that this runs on.
 *
 * @param piece Operations that are timed at once: more where the clock is coarse.
 */
export async function measure(
  name: string,
  lanes: readonly Modules[],
  repeats: number,
  piece = PIECE,
): Promise<Times> {
  const subject = guarded.find((one) => one.name === name)!;
  const made = await Promise.all(lanes.map(async (modules, i) => {
    const names: Names = {};
    for (const used of subject.uses) {
      if (used in modules) names[used] = (await import(modules[used]))[used];
    }
    return contestant(`lane ${i}`, (trace) => subject.make(names, trace));
  }));
  const nothing = contestant("nothing", () => ({ allocate: (size) => size, free: () => {} }));
  const times: Times = {};
  for (const trace of subject.traces) {
    const [empty, ...all] = pieces([nothing, ...made], trace, repeats, piece);
    times[trace] = all.map((ns) => ns - empty);
  }
  return times;
}

/** Nanoseconds an operation in each lane: the least times of all pieces together. */
function pieces(
  lanes: readonly ReturnType<typeof contestant>[],
  name: string,
  repeats: number,
  length: number,
): number[] {
  const trace = traceOf(name), { slots, sizes, slotCount, fillCount, opCount } = trace;
  const count = Math.ceil(opCount / length);
  const running = lanes.map(({ create, drive }) => {
    const subject = create(trace), handles = new Int32Array(slotCount);
    const refused = drive(subject, slots, sizes, 0, fillCount, handles);
    return { drive, subject, handles, refused, least: new Float64Array(count).fill(Infinity) };
  });
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (let piece = 0; piece < count; piece++) {
      const begin = fillCount + piece * length, end = Math.min(begin + length, slots.length);
      for (let i = 0; i < running.length; i++) {
        // Another lane is first each time: none always runs behind the same one.
        const lane = running[(i + repeat) % running.length];
        const start = performance.now();
        lane.refused += lane.drive(lane.subject, slots, sizes, begin, end, lane.handles);
        const time = performance.now() - start;
        if (time < lane.least[piece]) lane.least[piece] = time;
      }
    }
  }
  // The sink, and a check: who refuses more has less to do.
  const [, { refused }, ...others] = running;
  if (others.some((lane) => lane.refused !== refused)) {
    throw new Error(`The lanes do not refuse alike in ${name}`);
  }
  return running.map(({ least }) => least.reduce((sum, time) => sum + time, 0) * 1e6 / opCount);
}
