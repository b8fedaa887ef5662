// SPDX-License-Identifier: Apache-2.0
import type { CustomSeriesRenderItemAPI, CustomSeriesRenderItemParams, CustomSeriesRenderItemReturn, EChartsOption } from "echarts";

import { frame } from "./axes";
import type { Drawing } from "./drawing";
import { heatmapCells, type Cell } from "./heatmap-cells";
import { bucketTitle, tooltip } from "./tooltip";

export function heatmapOption(drawing: Drawing): EChartsOption {
  const { palette, report, words } = drawing;
  const series = report.series.heatmap;
  const cells = heatmapCells(series);
  const most = Math.max(1, ...cells.map((cell) => cell.requests));
  const option = frame(drawing, (value) => words.format.duration(octaveStart(value)));
  return {
    ...option,
    yAxis: { ...option.yAxis, ...octaves(cells), splitLine: { show: false } },
    tooltip: { ...option.tooltip, trigger: "item", formatter: (parameters: unknown) => cellTooltip(drawing, cells, parameters) },
    series: {
      type: "custom",
      clip: true,
      renderItem: (parameters: CustomSeriesRenderItemParams, api: CustomSeriesRenderItemAPI) => rectangle(parameters, api, series.step),
      dimensions: ["time", "low", "high", "requests"],
      encode: { x: 0, y: [1, 2] },
      data: cells.map((cell) => ({
        value: [(cell.t + series.step / 2) * 1000, cell.low, cell.high, cell.requests],
        itemStyle: { color: heatColour(palette.heat, cell.requests / most) },
      })),
    },
  };
}

function octaves(cells: Cell[]): { min: number; max: number; interval: number } {
  // Around 16 ms to 1 s, so that a few equal requests do not fill the whole picture.
  const min = Math.floor(Math.min(-6, ...cells.map((cell) => cell.low)));
  const max = Math.ceil(Math.max(0, ...cells.map((cell) => cell.high)));
  return { min, max, interval: max - min > 10 ? 2 : 1 };
}

/** Powers of two of a second, written as people write them: 2, 4, 8 ms and not 1.95, 3.91, 7.81. */
function octaveStart(power: number): number {
  const seconds = 2 ** power;
  const unit = seconds < 0.0009 ? 1e-6 : seconds < 1 ? 1e-3 : 1;
  return Math.round(seconds / unit) * unit;
}

function rectangle(parameters: CustomSeriesRenderItemParams, api: CustomSeriesRenderItemAPI, step: number): CustomSeriesRenderItemReturn {
  // The first and the last bucket may reach beyond the window.
  const plot = parameters.coordSys as unknown as { x: number; width: number };
  const inside = (x: number): number => Math.min(Math.max(x, plot.x), plot.x + plot.width);
  const middle = Number(api.value(0));
  const [start = 0, top = 0] = api.coord([middle - step * 500, api.value(2)]);
  const [end = 0, bottom = 0] = api.coord([middle + step * 500, api.value(1)]);
  const [left, right] = [inside(start), inside(end + 0.5)];
  return {
    type: "rect",
    // Half a pixel more than its share, or the background shines through between neighbours.
    shape: { x: left, y: top, width: right - left, height: bottom - top + 0.5 },
    style: { fill: String(api.visual("color")) },
  };
}

/** By the square root: a rare slow request must not vanish beside thousands of quick ones. */
function heatColour(colours: string[], share: number): string {
  return colours[Math.min(colours.length - 1, Math.floor(Math.sqrt(share) * colours.length))] ?? "";
}

function cellTooltip(drawing: Drawing, cells: Cell[], parameters: unknown): HTMLElement | string {
  const { report, palette, words } = drawing;
  const cell = cells[(parameters as { dataIndex?: number }).dataIndex ?? -1];
  const point = report.series.heatmap.points.find((candidate) => candidate.t === cell?.t);
  if (cell === undefined || point === undefined) return "";
  const label = `${words.format.duration(octaveStart(cell.low))} – ${words.format.duration(octaveStart(cell.high))}`;
  const all = Object.values(point.values).reduce<number>((sum, n) => sum + (n ?? 0), 0);
  const value = `${words.format.integer(cell.requests)} (${words.format.share(cell.requests / all)})`;
  return tooltip(bucketTitle(drawing, report.series.heatmap, point), [{ label, value, colour: palette.heat.at(-2) ?? palette.accent }]);
}
