// SPDX-License-Identifier: Apache-2.0
import type { EChartsOption, LineSeriesOption } from "echarts";

import { frame } from "./axes";
import { lateAreas, middle } from "./buckets";
import type { Drawing, LegendEntry } from "./drawing";
import { fade } from "./palette";
import { bucketTooltip } from "./tooltip";
import type { Translate } from "../i18n/words";
import type { Series } from "../api/types";

const LINES = ["p50", "p95", "p99", "mean"] as const;
type Line = (typeof LINES)[number];

export function durationLegend(t: Translate): LegendEntry[] {
  return LINES.map((name) => ({ name, label: lineLabel(name, t), colour: name }));
}

export function durationOption(drawing: Drawing): EChartsOption {
  const { format, t } = drawing.words;
  const series = drawing.report.series.duration;
  const shown = LINES.filter((name) => !drawing.hidden.has(name));
  const option = frame(drawing, (value) => format.duration(value));
  const rows = bucketTooltip(drawing, series, (point) =>
    shown
      .map((name) => ({ name, value: point.values[name] ?? null }))
      .sort((a, b) => (b.value ?? -1) - (a.value ?? -1))
      .map(({ name, value }) => ({ label: lineLabel(name, t), value: format.duration(value), colour: drawing.palette[name] })),
  );
  return { ...option, tooltip: { ...option.tooltip, formatter: rows }, series: shown.map((name, index) => line(drawing, series, name, index === 0)) };
}

function line(drawing: Drawing, series: Series, name: Line, withLateAreas: boolean): LineSeriesOption {
  const colour = drawing.palette[name];
  return {
    name,
    type: "line",
    data: series.points.map((point, index) => ({
      value: [middle(series, point), point.values[name] ?? null],
      symbolSize: isAlone(series, index, name) ? 5 : 0,
    })),
    symbol: "circle",
    color: colour,
    lineStyle: { width: name === "p95" ? 2 : 1.5, type: name === "mean" ? "dashed" : "solid" },
    ...(name === "p95" ? { areaStyle: { color: below(colour) } } : {}),
    emphasis: { disabled: true },
    z: name === "p95" ? 3 : 2,
    ...(withLateAreas ? { markArea: lateAreas(drawing, series) } : {}),
  };
}

function below(colour: string): { type: "linear"; x: number; y: number; x2: number; y2: number; colorStops: { offset: number; color: string }[] } {
  const colorStops = [
    { offset: 0, color: fade(colour, 0.22) },
    { offset: 1, color: fade(colour, 0.02) },
  ];
  return { type: "linear", x: 0, y: 0, x2: 0, y2: 1, colorStops };
}

/** Between two gaps there is no line to see, only a dot. */
function isAlone(series: Series, index: number, name: Line): boolean {
  const has = (at: number): boolean => (series.points[at]?.values[name] ?? null) !== null;
  return has(index) && !has(index - 1) && !has(index + 1);
}

function lineLabel(name: Line, t: Translate): string {
  return name === "mean" ? t("chart.mean") : name;
}
