/**
 * The table of gaps under several strategies, and what is done with it.
 *
 * @module
 */

export { BinIndex, BinTable, summaryOf } from "./bin_table.ts";
export * from "./calls.ts";
export { checkRoom } from "./check_room.ts";
export { GapTable, strideFor } from "./gap_table.ts";
export type { SearchedTable, TableGrowth } from "./gap_table.ts";
export { growth, replaceWords } from "./growth.ts";
export * from "./layout.ts";
export { TableRefusals } from "./table_refusals.ts";
export * from "./slots.ts";
export { addSpan, addSpans, freeSpans, makeSlots, spansOf } from "./spans.ts";
export { LEFT, RIGHT, TreeTable } from "./tree_table.ts";
export { unlink } from "./unlink.ts";
