// SPDX-License-Identifier: Apache-2.0
interface Props {
  /** In the order of time; null is a gap. */
  values: (number | null)[];
  colour: string;
}

const HEIGHT = 28;

/** The shape of a number over the window, beside the number itself; the charts below have the axes. */
export function Sparkline({ values, colour }: Props) {
  const most = Math.max(...values.map((value) => value ?? 0), Number.MIN_VALUE);
  const y = (value: number): string => (HEIGHT - 2 - (value / most) * (HEIGHT - 4)).toFixed(1);
  const path = values.map((value, x) => (value === null ? "" : `${(values[x - 1] ?? null) === null ? "M" : "L"}${x} ${y(value)}`)).join("");
  return (
    <svg class="sparkline" viewBox={`0 0 ${Math.max(values.length - 1, 1)} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      <path d={path || "M0 0"} fill="none" stroke={`var(--${colour})`} stroke-width="1.5" stroke-linecap="round" vector-effect="non-scaling-stroke" />
    </svg>
  );
}
