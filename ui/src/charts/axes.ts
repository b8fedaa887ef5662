// SPDX-License-Identifier: Apache-2.0
import type { EChartsOption, TooltipComponentOption, YAXisComponentOption } from "echarts";

import type { Drawing } from "./drawing";

/** Room for the axis labels; the same in every chart, so that equal times stand below each other. */
const GRID = { left: 56, right: 20, top: 12, bottom: 28 };

/** Where bars are many, gaps of less than a pixel would shimmer: there they touch. */
export function barWidth(bars: number): { barCategoryGap: string } | { barWidth: string } {
  return bars > 130 ? { barWidth: "108%" } : { barCategoryGap: "25%" };
}

export type Frame = EChartsOption & { yAxis: YAXisComponentOption; tooltip: TooltipComponentOption };

/** Grid, axes and tooltip frame; `yLabel` writes a value of the y axis. */
export function frame(drawing: Drawing, yLabel: (value: number) => string): Frame {
  const { palette, report, words } = drawing;
  return {
    animation: false,
    grid: GRID,
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
    xAxis: {
      type: "time",
      min: report.from * 1000,
      max: report.to * 1000,
      axisLine: { onZero: false, lineStyle: { color: palette.line } },
      axisTick: { show: false },
      splitLine: { show: false },
      axisLabel: { color: palette.muted, fontSize: 11, hideOverlap: true, formatter: (value: number) => words.format.tick(value / 1000) },
      axisPointer: { show: true, type: "line", snap: true, label: { show: false }, lineStyle: { color: palette.muted, type: "dashed" } },
    },
    yAxis: {
      type: "value",
      min: 0,
      splitNumber: 4,
      axisLine: { show: false },
      axisTick: { show: false },
      splitLine: { lineStyle: { color: palette.line } },
      axisLabel: { color: palette.muted, fontSize: 11, formatter: yLabel },
    },
    tooltip: {
      trigger: "axis",
      confine: true,
      transitionDuration: 0,
      backgroundColor: palette.panel,
      borderColor: palette.line,
      padding: [8, 12],
      textStyle: { color: palette.text, fontSize: 12 },
    },
  };
}
