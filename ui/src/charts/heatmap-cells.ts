// SPDX-License-Identifier: Apache-2.0
import type { Series } from "../api/types";

/** One rectangle: a bucket of time, a band of durations (as powers of two of a second). */
export interface Cell {
  t: number;
  low: number;
  high: number;
  requests: number;
}

/** In octaves. */
const HEIGHTS = [0.25, 0.5, 1, 2];
/** In heights; the API writes bounds with six digits. */
const ROUNDING = 1e-4;
/** More rows than this are too thin to point at. */
const MOST_ROWS = 32;

/** The histogram's own buckets are uneven and may be wide; they are gathered in bands of equal height, none of which is empty for want of buckets. */
export function heatmapCells(series: Series): Cell[] {
  const powers = series.points.flatMap((point) => Object.keys(point.values).map((bound) => Math.log2(Number(bound))));
  const finite = [...new Set(powers)].filter(Number.isFinite);
  const span = Math.max(...finite) - Math.min(...finite);
  const widest = HEIGHTS.findLast((height) => finite.every((power) => isMultiple(power, height))) ?? 0;
  return gather(series, HEIGHTS.find((height) => height >= widest && span / height <= MOST_ROWS) ?? 2);
}

function isMultiple(power: number, height: number): boolean {
  return Math.abs(power / height - Math.round(power / height)) < ROUNDING;
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
  return Math.ceil(Math.log2(clipped) / height - ROUNDING);
}
