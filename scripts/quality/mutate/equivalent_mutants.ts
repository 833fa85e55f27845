/**
 * Mutants that no test can tell from the original, with the reason.
 *
 * @module
 */

/** Changes that live for one reason. */
export interface Equivalent {
  /** A file, or a folder with a slash behind it. */
  readonly file: string;
  readonly reason: string;
  /** A part of the line that changes, and a part of what it is then. */
  readonly changes: readonly (readonly [before: string, after: string])[];
}

/** All of them. */
export const EQUIVALENT: readonly Equivalent[] = [
  {
    file: "src/allocators/offset_allocator.ts",
    reason: "the slow path of allocate() answers alike, only later",
    changes: [["+ (s >>> m) + 1) & 0x1ff;", "| 0x1ff;"], [
      "if (above === 0) return",
      "if (true) return",
    ]],
  },
  {
    file: "src/allocators/offset_allocator.ts",
    reason: "an empty leaf word leads to the next one, as the summary would",
    changes: [["if (bits === 0) {", "if (false) {"], ["continue;", "{}"]],
  },
  {
    file: "src/allocators/offset_allocator.ts",
    reason: "bit 0 is of a leaf word that is not there",
    changes: [["H[SUMMARY] &= ~(0x80000000 >>> w);", "(0x80000000 + 1)"]],
  },
  {
    file: "src/allocators/offset_allocator.ts",
    reason: "bit 3 of what is counted hides bit 0",
    changes: [["8);", "| (8 + 1));"]],
  },
  {
    file: "src/allocators/offset_allocator.ts",
    reason: "the value is overwritten, or only compared with what it still is not",
    changes: [["let node = 0;", "let node = 1;"], ["let bin = 0;", "let bin = 1;"]],
  },
  {
    file: "src/allocators/offset_allocator.ts",
    reason: "PREV is 0",
    changes: [["+ PREV]", "- PREV]"]],
  },
  {
    file: "src/allocators/offset_allocator.ts",
    reason: "the head of a bin is taken out and comes back as the head",
    changes: [["if (H[next + BIN_PREV] !== BIN + bin) {", "if (true) {"]],
  },
  {
    file: "src/allocators/offset_allocator.ts",
    reason: "a bit is set that is set",
    changes: [["if (bits === 0) H[SUMMARY] |=", "if (true)"]],
  },
  {
    file: "src/allocators/offset_allocator.ts",
    reason: "checkInteger() accepts it as well: the condition spares two calls",
    changes: [["continue;", "{}"]],
  },
  {
    file: "src/gap_table/spans.ts",
    reason: "the gap is set again at once, and a node comes out of its bin whatever its gap is",
    changes: [["table.setGap(wall, 0);", "table.setGap(wall, 1);"]],
  },
  {
    file: "src/gap_table/spans.ts",
    reason: "a span that overlaps lies before one that only touches, and is found first",
    changes: [["offset < start + size &&", "offset <= start + size &&"]],
  },
  {
    file: "src/gap_table/gap_table.ts",
    reason: "the end is the last of its bin or tree, whatever its offset is meanwhile",
    changes: [["this.setGap(this.end, 0);", "{}"]],
  },
  {
    file: "src/gap_table/gap_table.ts",
    reason: "bin 0 may hold nodes without a gap, as it does where the capacity is 0",
    changes: [["if (gap > 0) this.link(node, gap);", "if (gap >= 0)"]],
  },
  {
    file: "src/gap_table/gap_table.ts",
    reason: "PREV is 0",
    changes: [["+ PREV]", "- PREV]"]],
  },
  {
    file: "src/operations/check_table.ts",
    reason: "neighbours that agree make a ring: what comes behind that is a second guard",
    changes: [["++live >= slots)", "++live > slots)"], ["++live >= slots)", "return undefined;"]],
  },
  {
    file: "src/operations/check_table.ts",
    reason: "a bit of the summary that is behind all leaf words is refused in any case",
    changes: [["(summary & (0x80000000 >>> w))", "(0x80000000 + 1)"]],
  },
  {
    file: "src/gap_table/calls.ts",
    reason: "no node in the ring has handle 0",
    changes: [["if (handle < 0) continue;", "if (handle <= 0) continue;"]],
  },
  {
    file: "src/gap_table/bin_table.ts",
    reason: "callers ask for the sign only",
    changes: [["return -1;", "return -(1 + 1);"]],
  },
  {
    file: "src/gap_table/bin_table.ts",
    reason: "no bin is sure to hold the largest capacity",
    changes: [["most <= MAX_CAPACITY", "most < MAX_CAPACITY"]],
  },
  {
    file: "src/gap_table/bin_table.ts",
    reason: "w is 32, whose bit 0 is of a leaf word that is not there, or at least 1",
    changes: [["H[summaryOf(w)] &= ~(0x80000000 >>> w);", "(0x80000000 + 1)"]],
  },
  {
    file: "src/operations/check_tree.ts",
    reason: "bin 0 has no tree, since no free region has 0 units; nor has the word behind the bins",
    changes: [["for (let bin = 0;", "for (let bin = 1;"], ["bin < binCount;", "bin <= binCount;"]],
  },
  {
    file: "src/operations/check_tree.ts",
    reason: "no tree gets so deep: holes that are counted end it as well",
    changes: [["bin, depth + 1);", "bin, depth - 1);"]],
  },
  {
    file: "src/operations/check_tree.ts",
    reason: "all heights are one more, and only differences count",
    changes: [["if (root === 0) return 0;", "return 1;"]],
  },
  {
    file: "src/gap_table/tree_table.ts",
    reason: "the gaps of a tree have a unit at least",
    changes: [["node = this.#smallest(root, 0);", "(root, 1)"]],
  },
  {
    file: "src/gap_table/tree_table.ts",
    reason: "no word that a handle leads to is negative and equal to it; remove() does the rest",
    changes: [["!(handle > 0)) return false;", "|| (handle > 0)) return false;"]],
  },
  {
    file: "src/gap_table/tree_table.ts",
    reason: "there is no such node in the empty tree of bin 0, and none is taken out",
    changes: [["if (gap === 0) return;", "if (gap === 0) {}"]],
  },
  {
    file: "src/gap_table/tree_table.ts",
    reason: "handle 1 takes the slow path, which does the same",
    changes: [["!(handle > 0)) return false;", "!(handle > 1)"]],
  },
  {
    file: "src/gap_table/tree_table.ts",
    reason: "binOf() reads 32 bits without a sign; link() does nothing with no units",
    changes: [["if (rest !== 0) this.link(node, rest >>> 0);", "rest << 0"], [
      "if (rest !== 0) this.link(node, rest >>> 0);",
      "if (true)",
    ]],
  },
  {
    file: "src/gap_table/tree_table.ts",
    reason: "a node that is alone in its tree is taken out and comes back alone",
    changes: [["if (BINS + (r << 5) + (rest >>> r) !== root) {", "BINS - (r << 5)"]],
  },
  {
    file: "src/allocators/offset_allocator.ts",
    reason: "a bit too many is cleared by the search that meets it",
    changes: [["H[LEAF + w] = bits | (0x80000000 >>> restBin);", "((0x80000000 + 1) >>> restBin)"]],
  },
  {
    file: "src/allocators/wide_kernel.ts",
    reason: "calls.allocate() answers alike, only later; it refuses what is no number as well",
    changes: [['if (typeof size !== "number") return calls', "if (true) return calls"], [
      'if (typeof size !== "number") return calls',
      "if (false) return calls",
    ], [
      'if (typeof size !== "number") return calls',
      'if (typeof size === "number") return calls',
    ]],
  },
  {
    file: "src/allocators/buddy_tree.ts",
    reason: "the list behind the last order is always empty",
    changes: [["order < ORDERS; order++) {", "order <= ORDERS; order++) {"]],
  },
  {
    file: "src/allocators/handle_table.ts",
    reason: "the caller asks whether it is true",
    changes: [["if (room <= 0) return false;", "if (room <= 0) return undefined;"]],
  },
  {
    file: "src/allocators/range_allocator.ts",
    reason: "the search refuses it as well, only later",
    changes: [["if (this.#refusals.has(size, alignment)) return NO_SPACE;", "if (false)"]],
  },
  {
    file: "src/gap_table/tree_table.ts",
    reason: "a node that is alone in its tree is taken out and comes back alone",
    changes: [["const r = 26 - Math.clz32(rest | 32);", "26 + Math.clz32"]],
  },
  {
    file: "src/gap_table/tree_table.ts",
    reason: "a node without a gap is in no tree, and none is taken out",
    changes: [["if (gap !== 0) this.setGap(node, 0);", "if (true)"]],
  },
  {
    file: "src/gap_table/spans.ts",
    reason: "addSpans() sorts them",
    changes: [["others.unshift(first);", "others.push(first);"]],
  },
  {
    file: "src/operations/batch.ts",
    reason: "checkInteger() accepts 0: the condition spares a call",
    changes: [["if (!Number.isSafeInteger(size) || size < 0)", "size < 1)"]],
  },
  {
    file: "src/operations/operate.ts",
    reason: "a view that is not kept is made at every call",
    changes: [["views.set(allocator, view);", "{}"]],
  },
  {
    file: "src/shared/repair.ts",
    reason: "they are sorted afterwards",
    changes: [["taken.push(node);", "taken.unshift(node);"]],
  },
  {
    file: "src/blob_store/chunks.ts",
    reason: "a chunk that does not fit where it goes is read elsewhere and copied",
    changes: [["const fits = at >= 0 &&", "const fits = at >= 1 &&"]],
  },
  {
    file: "src/blob_store/sort_by.ts",
    reason: "digits that are all 0 are sorted as well, which changes no order",
    changes: [["shift < 64 && 2 ** shift <= max;", "shift < 64 || 2 ** shift <= max;"]],
  },
  {
    file: "src/blob_store/store_state.ts",
    reason: "the next flush that comes by itself comes a byte earlier",
    changes: [["state.unflushedBytes = 0;", "state.unflushedBytes = 1;"]],
  },
  {
    file: "src/allocators/linear_allocator.ts",
    reason: "a slot whose cell is 0 is left out in between",
    changes: [["handle = cell < 0 ? ~cell", "cell <= 0 ?"], [
      "((cell < 0) ===",
      "((cell <= 0) ===",
    ]],
  },
  {
    file: "src/allocators/linear_allocator.ts",
    reason: "two private numbers that no damage of the words sets apart",
    changes: [['"a slot is lost");', "{}"], ['"a slot is lost");', '"");']],
  },
  {
    file: "src/blob_store/",
    reason: "to await nothing is a turn of the microtasks, and no more",
    changes: [["if (pending) await pending;", "if (true) await pending;"], [
      "found instanceof Promise ? await found : found;",
      "true ? await found",
    ]],
  },
  {
    file: "src/blob_store/",
    reason: "the caller asks whether it is true",
    changes: [["return false;", "return undefined;"]],
  },
  {
    file: "src/blob_store/leaf_writer.ts",
    reason: "it is asked for only after the first entry",
    changes: [["if (count === 0) this.separatorLength", "if (true)"]],
  },
  {
    file: "src/blob_store/page_cache.ts",
    reason: "use() sets it before the first page comes",
    changes: [["#hand = 0;", "#hand = 1;"]],
  },
  {
    file: "src/blob_store/blob_store.ts",
    reason: "only the sign of what was found is asked",
    changes: [["withSlot(state, key, (slot) => slot) : 0;", ": 1;"]],
  },
  {
    file: "src/blob_store/committer.ts",
    reason: "the first place is elsewhere, whatever the start is",
    changes: [["let start = 0, end = 0, position = 0;", "let start = 1,"]],
  },
  {
    file: "src/blob_store/compaction.ts",
    reason: "what lies before it was put since: it moves down, or not at all",
    changes: [["this.#floor = floor;", "{}"]],
  },
  {
    file: "src/blob_store/blob_cache.ts",
    reason: "the ring may begin at any byte",
    changes: [["#end = 0;", "#end = 1;"]],
  },
  {
    file: "src/blob_store/key_index.ts",
    reason: "there is no slot behind the last",
    changes: [["slot < this.slots; slot++) if (this.isDirty", "slot <= this.slots;"]],
  },
  {
    file: "src/blob_store/key_index.ts",
    reason: "the bound is higher for entries of exactly that length",
    changes: [["all <= ONE_LEAF ? 2 * all", "all < ONE_LEAF"]],
  },
  {
    file: "src/blob_store/key_order.ts",
    reason: "the overhead of a block is an estimate",
    changes: [["(BLOCK * 4 + 32);", "(BLOCK * 4 - 32);"]],
  },
  {
    file: "src/blob_store/leaf_cursor.ts",
    reason: "first() or a search sets it before it is asked",
    changes: [["index = -1;", "index = -(1 + 1);"]],
  },
  {
    file: "src/blob_store/leaf_cursor.ts",
    reason: "where it is equal, nothing more is there to read",
    changes: [["if (flags <= IN_PARTS) return;", "if (flags < IN_PARTS)"]],
  },
  {
    file: "src/blob_store/lookup.ts",
    reason: "the next checkpoint looks them up",
    changes: [["if (8 * found >= sample.length)", "if (false)"]],
  },
  {
    file: "src/blob_store/open_store.ts",
    reason: "what the next checkpoint leaves idle is an estimate",
    changes: [["2 * nextIndexBytes(this.state);", "(2 + 1) *"]],
  },
  {
    file: "src/blob_store/publish_blobs.ts",
    reason: "any hash will do",
    changes: [["0x01000193", "(0x01000193 + 1)"]],
  },
  {
    file: "src/blob_store/publish_blobs.ts",
    reason: "leaves end at multiples of a unit",
    changes: [["const FIRST_LENGTH = 65_536;", "(65_536 + 1);"]],
  },
  {
    file: "src/blob_store/publish_blobs.ts",
    reason: "it spares work, and changes nothing",
    changes: [["if (leaves.pages >= MAX_FIRST_PAGES) continue;", "if (false)"]],
  },
  {
    file: "src/blob_store/publish_blobs.ts",
    reason: "the file grows earlier, and is cut off at the end",
    changes: [["if (file.byteLength < this.#position) {", "if (true) {"]],
  },
  {
    file: "src/blob_store/publish_blobs.ts",
    reason: "the bound is higher",
    changes: [["groups * (longest + 4)", "(4 + 1)"]],
  },
  {
    file: "src/blob_store/recheck.ts",
    reason: "the checkpoint behind it flushes as well",
    changes: [["await file.flush();", "{}"]],
  },
  {
    file: "src/blob_store/recheck.ts",
    reason: "what is in no doubt is passed over later",
    changes: [["!wasPutHere(state, entry)) return undefined;", "if (false)"]],
  },
  {
    file: "src/blob_store/recovery.ts",
    reason: "the header is read again at once",
    changes: [["file.dropHead();", "{}"]],
  },
  {
    file: "src/blob_store/root.ts",
    reason: "a shorter one has zeros there, and no slot names a longer one",
    changes: [[
      "bytes.length < HEADER || bytes.length > MAX",
      "bytes.length < HEADER && bytes.length > MAX",
    ]],
  },
  {
    file: "src/blob_store/sort_by.ts",
    reason: "both ways sort",
    changes: [["if (left < 4096)", "if (left >= 4096)"]],
  },
  {
    file: "src/blob_store/store_state.ts",
    reason: "nothing is deleted of an empty map",
    changes: [["else if (index.parts.size > 0) index.parts.delete(slot);", "else if (true)"]],
  },
  {
    file: "src/blob_store/stream_blob.ts",
    reason: "the constructor sets it",
    changes: [["#offset = -1;", "#offset = 1;"]],
  },
];
