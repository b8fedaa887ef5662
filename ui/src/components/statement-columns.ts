// SPDX-License-Identifier: Apache-2.0
import { numberColumn, type Column } from "./columns";
import type { Statement } from "../api/types";

export const COLUMNS: Column<Statement>[] = [
  { key: "name", title: "statements.sql", value: (row) => row.sql, show: (row) => row.sql, descendingFirst: false },
  numberColumn("share", "statements.share", (row) => row.seconds, (value, format) => format.duration(value)),
  numberColumn("calls", "statements.calls", (row) => row.calls, (value, format) => format.integer(value)),
  numberColumn("mean", "statements.mean", (row) => row.duration.mean, (value, format) => format.duration(value)),
  numberColumn("p95", "statements.p95", (row) => row.duration.p95, (value, format) => format.duration(value)),
  numberColumn("errors", "statements.errors", (row) => row.errors, (value, format) => format.integer(value)),
];
