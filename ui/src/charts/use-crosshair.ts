// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from "preact/hooks";

import { onPointAt, pointAt } from "./crosshair";
import type { Chart } from "./engine";

/** Where another chart's pointer stands in this one, in pixels from the left; null = nowhere. */
export function useCrosshair(chart: Chart | null, name: string): number | null {
  const [left, setLeft] = useState<number | null>(null);

  useEffect(() => {
    if (chart === null) return undefined;
    const leave = (): void => pointAt(null, name);
    chart.on("updateAxisPointer", (event) => pointAt(pointedTime(event), name));
    chart.getZr().on("globalout", leave);
    return onPointAt((time, from) => setLeft(time === null || from === name ? null : pixel(chart, time)));
  }, [chart, name]);

  return left;
}

function pointedTime(event: unknown): number | null {
  const axes = (event as { axesInfo?: { axisDim: string; value: number }[] }).axesInfo;
  return axes?.find((axis) => axis.axisDim === "x")?.value ?? null;
}

function pixel(chart: Chart, time: number): number | null {
  const left = Number(chart.convertToPixel({ xAxisIndex: 0 }, time));
  return chart.containPixel("grid", [left, chart.getHeight() / 2]) ? left : null;
}
