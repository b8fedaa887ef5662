// SPDX-License-Identifier: Apache-2.0
import type { EChartsOption } from "echarts";

import type { Palette } from "./palette";
import type { Report } from "../api/report";
import type { Words } from "../i18n/words";

/** What a chart is drawn from. */
export interface Drawing {
  report: Report;
  palette: Palette;
  words: Words;
  /** Names of the series the reader has switched off. */
  hidden: ReadonlySet<string>;
}

export type BuildOption = (drawing: Drawing) => EChartsOption;

export interface LegendEntry {
  name: string;
  label: string;
  /** The custom property without its dashes. */
  colour: string;
}
