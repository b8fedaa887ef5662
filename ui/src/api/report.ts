// SPDX-License-Identifier: Apache-2.0
import { getJson, type Parameters } from "./client";
import { METRICS, type App, type Metric, type Series, type Summary, type Transaction } from "./types";
import { resolveRange, type Range } from "../state/range";

export interface Query {
  app: string;
  environment: string | null;
  range: Range;
  transaction: string | null;
}

/** Everything the page shows, of one and the same window. */
export interface Report {
  from: number;
  to: number;
  summary: Summary;
  transactions: Transaction[];
  series: Record<Metric, Series>;
}

export async function loadApps(signal: AbortSignal): Promise<App[]> {
  return (await getJson<{ apps: App[] }>("apps", {}, signal)).apps;
}

export async function loadReport(query: Query, signal: AbortSignal): Promise<Report> {
  const { from, to } = resolveRange(query.range);
  const window: Parameters = { app: query.app, environment: query.environment, from, to };
  const filtered: Parameters = { ...window, transaction: query.transaction };
  const [summary, list, ...series] = await Promise.all([
    getJson<Summary>("summary", filtered, signal),
    getJson<{ transactions: Transaction[] }>("transactions", window, signal),
    ...METRICS.map((metric) => getJson<Series>("timeseries", { ...filtered, metric }, signal)),
  ]);
  const byMetric = Object.fromEntries(METRICS.map((metric, index) => [metric, series[index]]));
  return { from, to, summary, transactions: list.transactions, series: byMetric as Record<Metric, Series> };
}
