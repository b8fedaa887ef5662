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

/** A transaction that called an operation. */
export interface Caller {
  name: string;
  kind: string;
  calls: number;
  seconds: number;
  /** In how many transactions it did so five times or more. */
  repetitions: number;
}

export interface Operation {
  system: string | null;
  operation: string | null;
  namespace: string | null;
  collection: string | null;
  server_address: string | null;
  server_port: number | string | null;
  calls: number;
  errors: number;
  seconds: number;
  duration: Durations;
  callers: Caller[];
}

/** Where in the code a statement was sent, when it was slow or sent again and again. */
export interface Site {
  file: string | null;
  line: number | null;
  function: string | null;
  reason: string | null;
  transaction: string | null;
  t: number;
  calls: number | null;
  seconds: number | null;
}

export interface Statement extends Omit<Operation, "callers"> {
  sql: string;
  fingerprint: string;
  transactions: Caller[];
  n_plus_one: boolean;
  repetitions: number;
  site: Site | null;
  sites: Site[];
  plan: string | null;
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

export const METRICS = ["duration", "throughput", "breakdown", "status_codes", "heatmap", "apdex", "errors"] as const;
export type Metric = (typeof METRICS)[number];
