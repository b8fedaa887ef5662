// SPDX-License-Identifier: Apache-2.0
// The only module that loads ECharts; import it lazily, so that tiles and table do not wait for it.

import { BarChart, CustomChart, LineChart } from "echarts/charts";
import { GridComponent, MarkAreaComponent, TooltipComponent } from "echarts/components";
import { init, use, type ECharts } from "echarts/core";
import { CanvasRenderer, SVGRenderer } from "echarts/renderers";

use([BarChart, CustomChart, LineChart, GridComponent, MarkAreaComponent, TooltipComponent, CanvasRenderer, SVGRenderer]);

export type Chart = ECharts;

/** As SVG, a test can read what was drawn. */
export function createChart(element: HTMLElement, asSvg: boolean): Chart {
  return init(element, null, { renderer: asSvg ? "svg" : "canvas" });
}
