/**
 * The command that shows which strategy suits a program: compare.
 *
 * @module
 */

import type { Command } from "../command.ts";

/** The command `compare`. */
export const compareCommand: Command = {
  name: "compare",
  operands: "[trace.jsonl]",
  summary: "Replay a trace of allocations on every strategy.",
  details: `A RecordingAllocator (entry ./trace of the package) records the trace of a program.
The table shows how fast each strategy is, what it refuses, how much space it needs
and how fragmented its free space becomes. Times compare best on an idle machine.

Examples in place of a trace, the workloads of the benchmark:
  churn100, churn10k, churn100k, fixed, fixedb, lifo, mesh, tight`,
  options: {
    example: { value: "NAME", help: "a workload of the benchmark in place of a trace" },
    strategies: { value: "NAMES", help: "only these, such as Offset,BestFit,Tlsf" },
    svg: { value: "FILE", help: "draw the fragmentation over time" },
    save: { value: "FILE", help: "write the trace, that of an example too" },
    quick: { help: "fewer passes, rough times" },
  },
  examples: [
    ["blobs compare trace.jsonl --svg trace.svg", "compares all strategies on a recorded trace"],
    ["blobs compare --example mesh --strategies Offset,Tlsf", "compares two on an example"],
  ],
  async run(invocation) {
    // All strategies and the clock: no other command needs to load them.
    const { compare } = await import("../compare/mod.ts");
    return await compare(invocation);
  },
};
