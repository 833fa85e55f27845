/**
 * Pictures that a program draws: landscapes as SVG, the same one for the same number.
 *
 * @module
 */

/** Pixels of a picture. */
export const WIDTH = 160, HEIGHT = 120;

/** Random numbers from 0 to 1, the same ones for the same seed: mulberry32. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A colour; the hue in degrees, the others in percent. */
function color(hue: number, saturation: number, lightness: number): string {
  const [h, s, l] = [hue, saturation, lightness].map(Math.round);
  return `hsl(${(h + 360) % 360} ${s}% ${l}%)`;
}

/** The outline of hills or mountains from the left edge to the right one, and down. */
function ridge(random: () => number, base: number, rise: number, isSharp: boolean): string {
  const steps = isSharp ? 9 : 5, step = WIDTH / steps;
  let path = `M0 ${HEIGHT}V${Math.round(base - rise * random())}`;
  for (let i = 1; i <= steps; i++) {
    const isPeak = isSharp && i % 2 === 1;
    const y = Math.round(base - rise * (isPeak ? 0.6 + 0.6 * random() : random()));
    path += isSharp
      ? `L${Math.round(step * i)} ${y}`
      : `S${Math.round(step * (i - 0.5))} ${y} ${Math.round(step * i)} ${y}`;
  }
  return `${path}V${HEIGHT}z`;
}

/** Draws the picture of a number. */
export function drawPicture(number: number): string {
  const random = randomFrom(number);
  const isNight = random() < 0.25, isSharp = random() < 0.45, hasLake = random() < 0.4;
  // Neighbours are alike: the hue goes round once in 720 pictures.
  const hue = number / 2 + 50 * random() - 25;
  const sky = isNight
    ? [color(hue + 30, 45, 12), color(hue, 50, 32)]
    : [color(hue + 30, 60, 62), color(hue - 20, 80, 86)];
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}">`,
    `<linearGradient id="s" x2="0" y2="1"><stop stop-color="${sky[0]}"/>`,
    `<stop offset="1" stop-color="${sky[1]}"/></linearGradient>`,
    `<path fill="url(#s)" d="M0 0h${WIDTH}v${HEIGHT}H0z"/>`,
  ];
  if (isNight) {
    let stars = "";
    for (let i = 0; i < 24; i++) {
      stars += `M${Math.round(WIDTH * random())} ${Math.round(70 * random())}h1`;
    }
    parts.push(`<path stroke="#fff" stroke-opacity=".7" d="${stars}"/>`);
  }
  const [x, y] = [25 + 110 * random(), 20 + 40 * random()].map(Math.round);
  const radius = Math.round(7 + 9 * random()), sun = isNight ? "#f5f0dc" : color(hue + 60, 95, 92);
  parts.push(`<circle cx="${x}" cy="${y}" r="${radius}" fill="${sun}"/>`);
  for (let layer = 0; layer < 3; layer++) {
    const lightness = isNight ? 24 - 8 * layer : 58 - 16 * layer;
    const path = ridge(random, 72 + 17 * layer, 34 - 8 * layer, isSharp && layer < 2);
    parts.push(`<path fill="${color(hue + 140 + 12 * layer, 30, lightness)}" d="${path}"/>`);
  }
  if (hasLake) {
    const water = color(hue + 10, 45, isNight ? 30 : 72);
    parts.push(`<ellipse cx="${x}" cy="112" rx="${40 + radius}" ry="9" fill="${water}"/>`);
    parts.push(`<path stroke="${sun}" stroke-width="1.5" d="M${x - radius} 109h${2 * radius}"/>`);
    parts.push(`<path stroke="${sun}" d="M${x - 4} 113h9"/>`);
  }
  parts.push("</svg>");
  return parts.join("");
}
