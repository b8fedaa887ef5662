// SPDX-License-Identifier: Apache-2.0
import { serverNow } from "./clock";

export const LASTS = { "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "6h": 21600, "24h": 86400, "7d": 604800 } as const;
export type Last = keyof typeof LASTS;
export const LAST_NAMES = Object.keys(LASTS) as Last[];

/** A window that moves with the clock, or one that stands; bounds in epoch seconds. */
export type Range = { kind: "last"; last: Last } | { kind: "between"; from: number; to: number };

export const DEFAULT_RANGE: Range = { kind: "last", last: "30m" };

/** Shorter windows than this hold less than one point of the finest tier. */
const SHORTEST = 10;

export function isLast(name: string): name is Last {
  return Object.hasOwn(LASTS, name);
}

export function resolveRange(range: Range): { from: number; to: number } {
  if (range.kind === "between") return { from: range.from, to: range.to };
  const to = Math.ceil(serverNow());
  return { from: to - LASTS[range.last], to };
}

export function between(from: number, to: number): Range {
  const start = Math.floor(Math.min(from, to));
  return { kind: "between", from: start, to: Math.max(Math.ceil(Math.max(from, to)), start + SHORTEST) };
}

/** The window before (-1) or after (1) this one. */
export function shift(range: Range, windows: number): Range {
  const { from, to } = resolveRange(range);
  return between(from + windows * (to - from), to + windows * (to - from));
}
