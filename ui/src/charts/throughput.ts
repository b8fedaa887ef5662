// SPDX-License-Identifier: Apache-2.0
import type { EChartsOption } from "echarts";

import { barWidth, frame } from "./axes";
import { lateAreas, middle } from "./buckets";
import type { Drawing } from "./drawing";
import { fade } from "./palette";
import { bucketTooltip } from "./tooltip";

export function throughputOption(drawing: Drawing): EChartsOption {
  const { palette, words, report } = drawing;
  const { format, t } = words;
  const series = report.series.throughput;
  const option = frame(drawing, format.compact);
  const rows = bucketTooltip(drawing, series, (point) => [
    { label: t("chart.rpm"), value: format.number(point.values["rpm"] ?? 0), colour: palette.accent },
    { label: t("chart.requests"), value: format.integer(point.values["requests"] ?? 0) },
  ]);
  return {
    ...option,
    tooltip: { ...option.tooltip, formatter: rows },
    series: {
      type: "bar",
      ...barWidth(series.points.length),
      data: series.points.map((point) => ({
        value: [middle(series, point), point.values["rpm"] ?? 0],
        itemStyle: { color: point.late || point.t + series.step > report.to ? fade(palette.accent, 0.45) : palette.accent, borderRadius: [1, 1, 0, 0] },
      })),
      emphasis: { disabled: true },
      markArea: lateAreas(drawing, series),
    },
  };
}
