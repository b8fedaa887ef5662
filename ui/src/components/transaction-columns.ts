// SPDX-License-Identifier: Apache-2.0
import { numberColumn, type Column } from "./columns";
import type { Transaction } from "../api/types";

export const COLUMNS: Column<Transaction>[] = [
  { key: "name", title: "transactions.name", value: (row) => row.name, show: (row) => row.name, descendingFirst: false },
  numberColumn("share", "transactions.share", (row) => row.wall_clock_share, (value, format) => format.share(value)),
  numberColumn("requests", "transactions.requests", (row) => row.requests, (value, format) => format.integer(value)),
  numberColumn("rpm", "transactions.rpm", (row) => row.throughput_rpm, (value, format) => format.number(value)),
  numberColumn("mean", "transactions.mean", (row) => row.duration.mean, (value, format) => format.duration(value)),
  numberColumn("p95", "transactions.p95", (row) => row.duration.p95, (value, format) => format.duration(value)),
  { ...numberColumn("apdex", "transactions.apdex", (row) => row.apdex, (value, format) => format.apdex(value)), descendingFirst: false },
  numberColumn("errors", "transactions.errors", (row) => row.errors, (value, format) => format.integer(value)),
];
