// SPDX-License-Identifier: Apache-2.0
// Tooltips are built as elements and not as HTML text: names come from users, and the Content-Security-Policy forbids style attributes.

import { bucketAt } from "./buckets";
import type { Drawing } from "./drawing";
import type { Point, Series } from "../api/types";

export interface TooltipRow {
  label: string;
  value: string;
  colour?: string;
}

/** A formatter for charts with one bucket per time; `describe` gives the rows of a bucket. */
export function bucketTooltip(drawing: Drawing, series: Series, describe: (point: Point) => TooltipRow[]): (parameters: unknown) => HTMLElement | string {
  return (parameters) => {
    const first: unknown = Array.isArray(parameters) ? parameters[0] : parameters;
    const at = (first as { axisValue?: number } | undefined)?.axisValue;
    const point = at === undefined ? undefined : bucketAt(series, at);
    if (point === undefined) return "";
    return tooltip(bucketTitle(drawing, series, point), describe(point), notes(drawing, series, point));
  };
}

export function bucketTitle(drawing: Drawing, series: Series, point: Point): string {
  const { format } = drawing.words;
  return `${format.dateTime(point.t)} – ${format.time(point.t + series.step)}`;
}

export function tooltip(title: string, rows: TooltipRow[], footnotes: string[] = []): HTMLElement {
  const root = element("div", "tooltip");
  root.append(element("div", "tooltip-title", title));
  const table = element("table", "");
  for (const row of rows) {
    const line = element("tr", "");
    const label = element("th", "", row.label);
    label.prepend(swatch(row.colour));
    line.append(label, element("td", "", row.value));
    table.append(line);
  }
  root.append(table, ...footnotes.map((text) => element("div", "tooltip-note", text)));
  return root;
}

function notes(drawing: Drawing, series: Series, point: Point): string[] {
  const { t } = drawing.words;
  const late = point.late ? [t("chart.late")] : [];
  return point.t + series.step > drawing.report.to ? [...late, t("chart.unfinished")] : late;
}

function swatch(colour: string | undefined): HTMLElement {
  const mark = element("i", "swatch");
  if (colour !== undefined) mark.style.background = colour;
  return mark;
}

function element(tag: string, className: string, text = ""): HTMLElement {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}
