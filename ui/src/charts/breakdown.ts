// SPDX-License-Identifier: Apache-2.0
import type { BarSeriesOption, EChartsOption } from "echarts";

import { barWidth, frame } from "./axes";
import { lateAreas, middle } from "./buckets";
import type { Drawing, LegendEntry } from "./drawing";
import type { ColourName } from "./palette";
import { bucketTooltip } from "./tooltip";
import type { Series } from "../api/types";
import type { Translate } from "../i18n/words";

/** From the bottom of the stack to its top; each has the same colour wherever it is shown. */
export const COMPONENTS = ["python", "template", "db", "cache", "external", "messaging", "response"] as const;
export type Component = (typeof COMPONENTS)[number];

export function componentColour(name: Component): ColourName {
  return `c-${name}`;
}

/** Only what takes any time here: most applications have no more than three. */
export function usedComponents(series: Series): Component[] {
  return COMPONENTS.filter((name) => series.points.some((point) => (point.values[name] ?? 0) > 0));
}

export function breakdownLegend(series: Series, t: Translate): LegendEntry[] {
  return usedComponents(series).map((name) => ({ name, label: t(`component.${name}`), colour: componentColour(name) }));
}

export function breakdownOption(drawing: Drawing): EChartsOption {
  const { palette, report, words } = drawing;
  const { format, t } = words;
  const series = report.series.breakdown;
  const shown = usedComponents(series).filter((name) => !drawing.hidden.has(name));
  const option = frame(drawing, (value) => format.duration(value));
  const rows = bucketTooltip(drawing, series, (point) => {
    const parts = shown.map((name) => ({ label: t(`component.${name}`), seconds: point.values[name] ?? 0, colour: palette[componentColour(name)] }));
    const whole = parts.reduce((sum, part) => sum + part.seconds, 0);
    const sorted = parts.filter((part) => part.seconds > 0).sort((a, b) => b.seconds - a.seconds);
    return sorted.map(({ label, seconds, colour }) => ({ label, value: `${format.duration(seconds)} (${format.share(seconds / whole)})`, colour }));
  });
  return {
    ...option,
    tooltip: { ...option.tooltip, formatter: rows },
    series: shown.map(
      (name, index): BarSeriesOption => ({
        name,
        type: "bar",
        stack: "components",
        ...barWidth(series.points.length),
        color: palette[componentColour(name)],
        data: series.points.map((point) => [middle(series, point), point.values[name] ?? 0]),
        emphasis: { disabled: true },
        ...(index === 0 ? { markArea: lateAreas(drawing, series) } : {}),
      }),
    ),
  };
}
