// SPDX-License-Identifier: Apache-2.0
import type { Series } from "../api/types";

/** One rectangle: a bucket of time, a band of durations (as powers of two of a second). */
export interface Cell {
  t: number;
  low: number;
  high: number;
  requests: number;
}

/** More rows than this are thinner than a line of text is useful. */
const MOST_ROWS = 28;

/** The histogram's own buckets are uneven; they are gathered in bands of a half or a whole octave. */
export function heatmapCells(series: Series): Cell[] {
  const fine = gather(series, 0.5);
  const rows = (Math.max(...fine.map((cell) => cell.high)) - Math.min(...fine.map((cell) => cell.low))) / 0.5;
  return rows > MOST_ROWS ? gather(series, 1) : fine;
}

function gather(series: Series, height: number): Cell[] {
  return series.points.flatMap((point) => {
    const bands = new Map<number, number>();
    for (const [bound, requests] of Object.entries(point.values)) {
      const band = bandOf(Number(bound), height);
      if (band !== null && requests) bands.set(band, (bands.get(band) ?? 0) + requests);
    }
    return [...bands].map(([band, requests]) => ({ t: point.t, low: (band - 1) * height, high: band * height, requests }));
  });
}

/** The band that ends at or after the upper bound; a bound just above a power of two by rounding belongs to it. */
function bandOf(upper: number, height: number): number | null {
  if (Number.isNaN(upper) || upper <= 0) return null;
  const clipped = Math.min(upper, 2 ** 12);
  return Math.ceil(Math.log2(clipped) / height - 1e-6);
}
