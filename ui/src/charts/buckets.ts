// SPDX-License-Identifier: Apache-2.0
import type { MarkAreaComponentOption } from "echarts";

import type { Drawing } from "./drawing";
import { fade } from "./palette";
import type { Point, Series } from "../api/types";

/** Milliseconds of the middle of a bucket: there it is drawn, in every chart. */
export function middle(series: Series, point: Point): number {
  return (point.t + series.step / 2) * 1000;
}

/** The bucket drawn at `milliseconds`. */
export function bucketAt(series: Series, milliseconds: number): Point | undefined {
  const t = milliseconds / 1000;
  return series.points.find((point) => point.t <= t && t < point.t + series.step);
}

/** Shades the stretches whose requests were booked late. */
export function lateAreas(drawing: Drawing, series: Series): MarkAreaComponentOption {
  const colour = fade(drawing.palette.late, 0.14);
  return {
    silent: true,
    itemStyle: { color: colour },
    data: lateStretches(series).map(([from, to]) => [{ xAxis: from * 1000 }, { xAxis: to * 1000 }]),
  };
}

function lateStretches(series: Series): [number, number][] {
  const stretches: [number, number][] = [];
  for (const point of series.points) {
    if (!point.late) continue;
    const last = stretches.at(-1);
    if (last !== undefined && last[1] === point.t) last[1] = point.t + series.step;
    else stretches.push([point.t, point.t + series.step]);
  }
  return stretches;
}
