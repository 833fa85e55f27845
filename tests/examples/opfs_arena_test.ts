/**
 * The example of an arena in a browser: killed at every call, it has the regions of the last save.
 *
 * @module
 */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { SavedRegions } from "../../examples/opfs_arena.ts";
import { randomBytes, seeded } from "../support/random.ts";
import { installOpfs, isBrowser } from "../opfs/fake_opfs.ts";

/** What is there, by name. */
type Model = Map<string, Uint8Array>;

/** Steps with saves between; calls back before and after each save with what is there. */
async function work(
  regions: SavedRegions,
  onSave: (model: Model, isDone: boolean) => void,
): Promise<void> {
  const random = seeded(1), model: Model = new Map();
  for (let step = 0; step < 12; step++) {
    for (let i = 0; i < 4; i++) {
      const name = `${random(6)}`, bytes = randomBytes(random, 100 + random(3000)).slice();
      if (random(4) === 0) {
        regions.remove(name);
        model.delete(name);
      } else {
        regions.replace(name, bytes);
        model.set(name, bytes);
      }
    }
    onSave(new Map(model), false);
    await regions.save();
    onSave(new Map(model), true);
  }
}

function contents(regions: SavedRegions): Model {
  const found: Model = new Map();
  for (let i = 0; i < 6; i++) {
    const bytes = regions.get(`${i}`);
    if (bytes !== undefined) found.set(`${i}`, bytes);
  }
  return found;
}

describe("an arena in private files", () => {
  if (isBrowser) return; // there the kills are real ones

  it("has what was saved, closed and opened again", async () => {
    installOpfs();
    let last: Model = new Map();
    const regions = await SavedRegions.open("regions");
    await work(regions, (model) => last = model);
    await regions.close();
    const again = await SavedRegions.open("regions");
    assertEquals(contents(again), last);
    for (let i = 0; i < 6; i++) again.remove(`${i}`);
    await again.close();
    const empty = await SavedRegions.open("regions");
    empty.replace("a", new Uint8Array(20_000));
    await empty.close();
  });

  it("has the last save after a kill at any access of its files", async () => {
    let kills = 0;
    for (let n = 1;; n += 3) {
      const root = installOpfs();
      let access = 0, isKilled = false, saved: Model = new Map(), begun: Model | undefined;
      root.faults.access = () => {
        if (++access >= n) isKilled = true;
        if (isKilled) throw new Error("killed");
      };
      try {
        const regions = await SavedRegions.open("regions");
        await work(regions, (model, isDone) => {
          if (isDone) saved = model;
          begun = isDone ? undefined : model;
        });
      } catch {
        // It was killed; an error of something else shows below.
      }
      if (!isKilled) break;
      kills++;
      root.faults.access = () => {};
      root.endHandles(); // as a worker that ended: they are free
      const again = await SavedRegions.open("regions"), found = contents(again);
      const expected = [saved, begun].filter((model) => model !== undefined);
      assert(
        expected.some((model) => isSame(found, model)),
        `killed at access ${n}: ${[...found.keys()]} instead of ${[...saved.keys()]}`,
      );
      again.replace("a", new Uint8Array(100));
      await again.close();
    }
    assert(kills > 30, `${kills} kills`);
  });
});

function isSame(found: Model, model: Model): boolean {
  if (found.size !== model.size) return false;
  return [...found].every(([name, bytes]) => {
    const other = model.get(name);
    return other?.length === bytes.length && bytes.every((byte, i) => byte === other[i]);
  });
}

assertStrictEquals(isSame(new Map(), new Map([["a", new Uint8Array(1)]])), false);
