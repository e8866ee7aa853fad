// @ts-check
// Scales of the curves: values to heights from 0 to 1, and their ticks.

/** @typedef {{ ticks: [value: number, text: string][], height: (value: number) => number }} Scale */

// The smallest loss that has a height of its own.
const LEAST = 1e-6;

/** @type {Scale} */
export const SHARES = { ticks: [0, 0.5, 1].map((value) => [value, String(value)]), height: (value) => value };

/**
 * Return a log scale from below the smallest to above the largest loss, with ticks at powers of ten, and between them
 * if there are few.
 * @param {number[]} losses
 * @returns {Scale}
 */
export function lossScale(losses) {
  const found = losses.filter((loss) => loss > 0);
  const highest = Math.max(...found, LEAST) * 1.25;
  // At least half a power of ten, so that the noise of the first steps does not fill the axis.
  const low = Math.log10(Math.max(LEAST, Math.min(...found, highest / 4) * 0.8));
  const high = Math.log10(highest);
  /** @type {[number, string][]} */
  const ticks = [];
  for (let power = Math.floor(low); power <= high; power++) {
    for (const digit of high - low > 1.6 ? [1] : [1, 2, 5]) {
      const value = digit * 10 ** power;
      if (Math.log10(value) >= low && Math.log10(value) <= high) ticks.push([value, String(+value.toPrecision(1))]);
    }
  }
  return { ticks, height: (value) => (Math.log10(Math.max(value, LEAST)) - low) / (high - low) };
}
