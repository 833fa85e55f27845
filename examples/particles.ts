/**
 * Fireworks of particles that live for a second or two: a pool makes each object once, and
 * every frame uses again what went out in the frames before.
 *
 * ```sh
 * node examples/particles.ts              # Node 24.2 or newer
 * deno run -A examples/particles.ts
 * bun examples/particles.ts
 * ```
 *
 * @module
 */

import { GrowingPool, type PoolStats } from "@suballoc/offset-allocator/pool";
import { formatCount, formatTable } from "./terminal.ts";

const FRAMES_PER_SECOND = 60;
const GRAVITY = 9.81;

/** A spark: where it is in metres, its speed in metres per second, and for how long it glows. */
class Particle {
  x = 0;
  y = 0;
  dx = 0;
  dy = 0;
  /** Frames left. */
  life = 0;
}

/** How many fireworks there are, and how large. */
export interface FireworksOptions {
  /** Most particles at a time; a rocket that finds no more bursts into fewer. */
  readonly maxParticles: number;
  /** Particles of a rocket. */
  readonly sparks: number;
  /** Frames from one rocket to the next. */
  readonly pause: number;
}

/** Particles that fly and fall. */
export class Fireworks {
  readonly #pool: GrowingPool<Particle>;
  readonly #options: FireworksOptions;
  readonly #random = numbers();
  /** In no order: the last one takes the place of one that goes out. */
  readonly #live: Particle[] = [];
  #frame = 0;

  /** Begins with a dark sky. */
  constructor(options: FireworksOptions) {
    this.#options = options;
    this.#pool = new GrowingPool({
      create: () => new Particle(),
      growth: { exponential: 2 },
      initialCapacity: Math.min(64, options.maxParticles),
      maxCapacity: options.maxParticles,
    });
  }

  /** The particles that glow. */
  get live(): readonly Readonly<Particle>[] {
    return this.#live;
  }

  /** What the pool holds, and did. */
  get stats(): PoolStats {
    return this.#pool.stats();
  }

  /** Goes on by a frame. */
  step(): void {
    const { sparks, pause } = this.#options;
    if (this.#frame++ % pause === 0) this.#burst(sparks);
    const live = this.#live, seconds = 1 / FRAMES_PER_SECOND;
    for (let i = live.length - 1; i >= 0; i--) {
      const particle = live[i];
      particle.dy -= GRAVITY * seconds;
      particle.x += particle.dx * seconds;
      particle.y += particle.dy * seconds;
      if (--particle.life > 0 && particle.y > 0) continue;
      live[i] = live[live.length - 1];
      live.pop();
      this.#pool.give(particle);
    }
  }

  /** A rocket bursts, somewhere. */
  #burst(sparks: number): void {
    const random = () => this.#random.next().value;
    const x = 60 * random() - 30, y = 15 + 10 * random();
    for (let i = 0; i < sparks; i++) {
      const particle = this.#pool.tryTake();
      if (particle === undefined) return;
      const angle = 2 * Math.PI * random(), speed = 12 * Math.sqrt(random());
      particle.x = x;
      particle.y = y;
      particle.dx = speed * Math.cos(angle);
      particle.dy = speed * Math.sin(angle) + 4;
      particle.life = Math.round(FRAMES_PER_SECOND * (0.8 + 1.2 * random()));
      this.#live.push(particle);
    }
  }

  /** The sky as text, so many characters wide and high. */
  draw(columns: number, rows: number): string {
    const counts = Array.from({ length: rows }, () => new Array<number>(columns).fill(0));
    for (const { x, y } of this.#live) {
      const column = Math.floor((x + 40) / 80 * columns),
        row = rows - 1 - Math.floor(y / 32 * rows);
      if (column >= 0 && column < columns && row >= 0 && row < rows) counts[row][column]++;
    }
    const dots = " .:*#@";
    return counts.map((row) => {
      const marks = row.map((count) =>
        dots[Math.min(dots.length - 1, Math.ceil(Math.sqrt(count)))]
      );
      return marks.join("").trimEnd();
    }).join("\n");
  }
}

/** Numbers in [0, 1) that are the same in every run (a linear congruential generator). */
function* numbers(): Generator<number, never> {
  for (let state = 1;;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

/** The command: ten seconds, a line for each, and the sky at the end. */
function main(): void {
  const fireworks = new Fireworks({ maxParticles: 4000, sparks: 500, pause: 15 });
  const report = [["second", "glowing", "lit", "objects made", "used again"]];
  let before = fireworks.stats;
  for (let second = 1; second <= 10; second++) {
    for (let frame = 0; frame < FRAMES_PER_SECOND; frame++) fireworks.step();
    const { stats } = fireworks, lit = stats.acquired - before.acquired;
    report.push([
      `${second}`,
      formatCount(fireworks.live.length),
      formatCount(lit),
      formatCount(stats.created),
      `${(100 * (stats.hits - before.hits) / lit).toFixed(1)} %`,
    ]);
    before = stats;
  }
  console.log(fireworks.draw(78, 20));
  console.log(formatTable(report));
  const { acquired, created, highWaterMark, growths } = fireworks.stats;
  console.log(
    `${formatCount(acquired)} particles were ${formatCount(created)} objects: at most ` +
      `${formatCount(highWaterMark)} glowed at a time, and the pool grew ${growths} times`,
  );
}

if (import.meta.main) main();
