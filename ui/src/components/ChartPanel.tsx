// SPDX-License-Identifier: Apache-2.0
import { useMemo, useState } from "preact/hooks";

import { Chart } from "./Chart";
import { Legend } from "./Legend";
import { Panel } from "./Panel";
import type { Report } from "../api/report";
import type { BuildOption, LegendEntry } from "../charts/drawing";
import { readPalette } from "../charts/palette";
import { useWords } from "../i18n/words";
import { useTheme } from "../state/theme";

interface Props {
  name: string;
  title: string;
  subtitle?: string;
  report: Report;
  build: BuildOption;
  /** One sentence on what is drawn. */
  detail: string;
  legend?: LegendEntry[];
  aside?: preact.ComponentChildren;
  onDrawn: (name: string) => void;
}

export function ChartPanel({ name, title, subtitle, report, build, detail, legend, aside, onDrawn }: Props) {
  const words = useWords();
  const { theme } = useTheme();
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const palette = useMemo(readPalette, [theme]);
  const option = useMemo(() => build({ report, palette, words, hidden }), [build, report, palette, words, hidden]);
  const { format, t } = words;
  const summary = t("chart.summary", { title, from: format.dateTime(report.from), to: format.dateTime(report.to), detail });

  return (
    <Panel
      name={name}
      title={title}
      {...(subtitle === undefined ? {} : { subtitle })}
      aside={legend === undefined ? aside : <Legend entries={legend} hidden={hidden} onChange={setHidden} />}
    >
      <Chart name={name} summary={summary} option={option} onDrawn={onDrawn} />
    </Panel>
  );
}
