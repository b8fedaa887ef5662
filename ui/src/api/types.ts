// SPDX-License-Identifier: Apache-2.0
// The shapes of the JSON API. Times are epoch seconds, durations seconds; null stands for "nothing to compute it from".

export interface App {
  name: string;
  environments: string[];
  instances: number;
  last_seen: number;
}

export interface Durations {
  mean: number | null;
  p50: number | null;
  p75: number | null;
  p95: number | null;
  p99: number | null;
  max: number | null;
}

export type StatusCodes = Record<string, number>;

export interface Summary {
  app: string;
  from: number;
  to: number;
  requests: number;
  errors: number;
  aborted: number;
  late: number;
  throughput_rpm: number;
  apdex: number | null;
  apdex_t: number | null;
  status_codes: StatusCodes;
  duration: Durations;
  last_seen: number | null;
}

export interface Transaction {
  name: string;
  kind: string;
  requests: number;
  errors: number;
  aborted: number;
  wall_clock_share: number;
  apdex: number | null;
  throughput_rpm: number;
  status_codes: StatusCodes;
  methods: Record<string, number>;
  duration: Durations;
}

export type Values = Record<string, number | null>;

export interface Point {
  t: number;
  values: Values;
  late: boolean;
}

export interface Series {
  metric: string;
  step: number;
  points: Point[];
}

export const METRICS = ["duration", "throughput", "status_codes", "heatmap", "apdex", "errors"] as const;
export type Metric = (typeof METRICS)[number];
