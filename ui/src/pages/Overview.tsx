// SPDX-License-Identifier: Apache-2.0
import { useCallback, useMemo, useRef } from "preact/hooks";

import type { PageProps } from "./page";
import type { Report } from "../api/report";
import { breakdownLegend, breakdownOption } from "../charts/breakdown";
import { durationLegend, durationOption } from "../charts/duration";
import { heatmapOption } from "../charts/heatmap";
import { statusCodesOption, statusLegend } from "../charts/status-codes";
import { throughputOption } from "../charts/throughput";
import { ChartPanel } from "../components/ChartPanel";
import { HeatLegend } from "../components/HeatLegend";
import { LateNote } from "../components/LateNote";
import { QuietNote } from "../components/QuietNote";
import { Tiles } from "../components/Tiles";
import { TransactionsPanel } from "../components/TransactionsPanel";
import type { Metric } from "../api/types";
import { useWords } from "../i18n/words";

const CHARTS = 5;

export function Overview({ report }: PageProps<Report>) {
  const { t, format } = useWords();
  const { summary } = report;
  const drawn = useRef(new Set<string>());
  const onDrawn = useCallback((name: string) => {
    drawn.current.add(name);
    if (drawn.current.size === CHARTS) document.documentElement.dataset["ready"] = "true";
  }, []);
  const durations = useMemo(() => durationLegend(t), [t]);
  const statuses = useMemo(statusLegend, []);
  const components = useMemo(() => breakdownLegend(report.series.breakdown, t), [report, t]);

  const spread = (metric: Metric, name: string, write: (value: number) => string): string => {
    const values = report.series[metric].points.flatMap((point) => point.values[name] ?? []);
    if (values.length === 0) return t("chart.summary.empty");
    return t("chart.summary.range", { name, low: write(Math.min(...values)), high: write(Math.max(...values)) });
  };
  const shared = { report, onDrawn };
  const step = format.span(report.series.status_codes.step, "short");
  const codes = Object.entries(summary.status_codes).map(([code, n]) => `${code}: ${format.integer(n)}`);

  return (
    <>
      {summary.requests === 0 && <QuietNote lastSeen={summary.last_seen} />}
      <Tiles report={report} />
      {summary.late > 0 && <LateNote late={summary.late} />}
      <div class="panels">
        <ChartPanel
          {...shared}
          name="duration"
          title={t("chart.duration")}
          subtitle={t("chart.zoom")}
          build={durationOption}
          detail={spread("duration", "p95", format.duration)}
          legend={durations}
        />
        <ChartPanel
          {...shared}
          name="throughput"
          title={t("chart.throughput")}
          subtitle={t("chart.rpm")}
          build={throughputOption}
          detail={spread("throughput", "rpm", format.number)}
        />
        <ChartPanel
          {...shared}
          name="breakdown"
          title={t("chart.breakdown")}
          subtitle={t("chart.perRequest")}
          build={breakdownOption}
          detail={components.map(({ label }) => label).join(", ") || t("chart.summary.empty")}
          legend={components}
        />
        <ChartPanel
          {...shared}
          name="status-codes"
          title={t("chart.statusCodes")}
          subtitle={t("chart.perBucket", { step })}
          build={statusCodesOption}
          detail={codes.join(", ") || t("chart.summary.empty")}
          legend={statuses}
        />
        <ChartPanel {...shared} name="heatmap" title={t("chart.heatmap")} build={heatmapOption} detail={spread("duration", "p50", format.duration)} aside={<HeatLegend />} />
        <TransactionsPanel transactions={report.transactions} />
      </div>
    </>
  );
}
