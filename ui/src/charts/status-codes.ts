// SPDX-License-Identifier: Apache-2.0
import type { BarSeriesOption, EChartsOption } from "echarts";

import { barWidth, frame } from "./axes";
import { lateAreas, middle } from "./buckets";
import type { Drawing, LegendEntry } from "./drawing";
import { bucketTooltip } from "./tooltip";
import type { Values } from "../api/types";

export const STATUS_CLASSES = ["2xx", "3xx", "4xx", "5xx"] as const;
export type StatusClass = (typeof STATUS_CLASSES)[number] | "1xx";

export interface StatusShare {
  name: StatusClass;
  requests: number;
  /** The codes that occurred, ascending. */
  codes: [string, number][];
}

/** The four classes always; 1xx only where it occurs. */
export function statusShares(values: Values): StatusShare[] {
  const all: StatusClass[] = ["1xx", ...STATUS_CLASSES];
  const shares = all.map((name) => {
    const codes = Object.entries(values).flatMap(([code, n]): [string, number][] => (code[0] === name[0] && n ? [[code, n]] : []));
    return { name, requests: codes.reduce((sum, [, n]) => sum + n, 0), codes: codes.sort(([a], [b]) => a.localeCompare(b)) };
  });
  return shares.filter((share) => share.name !== "1xx" || share.requests > 0);
}

export function statusColour(name: StatusClass): "s1" | "s2" | "s3" | "s4" | "s5" {
  return `s${name[0] as "1" | "2" | "3" | "4" | "5"}`;
}

export function statusLegend(): LegendEntry[] {
  return STATUS_CLASSES.map((name) => ({ name, label: name, colour: statusColour(name) }));
}

export function statusCodesOption(drawing: Drawing): EChartsOption {
  const { palette, report, words } = drawing;
  const series = report.series.status_codes;
  const option = frame(drawing, words.format.compact);
  option.yAxis = { ...option.yAxis, minInterval: 1 } as typeof option.yAxis;
  const shown = STATUS_CLASSES.filter((name) => !drawing.hidden.has(name));
  const buckets = series.points.map((point) => ({ at: middle(series, point), shares: statusShares(point.values) }));
  const rows = bucketTooltip(drawing, series, (point) =>
    statusShares(point.values).flatMap((share) =>
      share.codes.map(([code, n]) => ({ label: code, value: words.format.integer(n), colour: palette[statusColour(share.name)] })),
    ),
  );
  return {
    ...option,
    tooltip: { ...option.tooltip, formatter: rows },
    series: shown.map(
      (name, index): BarSeriesOption => ({
        name,
        type: "bar",
        stack: "status",
        ...barWidth(buckets.length),
        color: palette[statusColour(name)],
        data: buckets.map(({ at, shares }) => [at, shares.find((share) => share.name === name)?.requests ?? 0]),
        emphasis: { disabled: true },
        ...(index === 0 ? { markArea: lateAreas(drawing, series) } : {}),
      }),
    ),
  };
}
