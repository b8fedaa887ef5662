// SPDX-License-Identifier: Apache-2.0
import type { Transaction } from "../api/types";
import type { Format } from "../i18n/format";
import type { Key } from "../i18n/words";
import type { Sort, SortKey } from "../state/address";

export interface Column {
  key: SortKey;
  title: Key;
  /** What is compared, and what a test reads; null sorts last. */
  value: (transaction: Transaction) => number | string | null;
  show: (transaction: Transaction, format: Format) => string;
  /** The direction of the first click: the worst on top. */
  descendingFirst: boolean;
}

export const COLUMNS: Column[] = [
  { key: "name", title: "transactions.name", value: (row) => row.name, show: (row) => row.name, descendingFirst: false },
  number("share", "transactions.share", (row) => row.wall_clock_share, (value, format) => format.share(value)),
  number("requests", "transactions.requests", (row) => row.requests, (value, format) => format.integer(value)),
  number("rpm", "transactions.rpm", (row) => row.throughput_rpm, (value, format) => format.number(value)),
  number("mean", "transactions.mean", (row) => row.duration.mean, (value, format) => format.duration(value)),
  number("p95", "transactions.p95", (row) => row.duration.p95, (value, format) => format.duration(value)),
  { ...number("apdex", "transactions.apdex", (row) => row.apdex, (value, format) => format.apdex(value)), descendingFirst: false },
  number("errors", "transactions.errors", (row) => row.errors, (value, format) => format.integer(value)),
];

export function sortTransactions(rows: Transaction[], sort: Sort): Transaction[] {
  const column = COLUMNS.find(({ key }) => key === sort.key);
  if (column === undefined) return rows;
  const direction = sort.descending ? -1 : 1;
  return rows.toSorted((a, b) => {
    const [x, y] = [column.value(a), column.value(b)];
    if (x === y) return a.name.localeCompare(b.name);
    if (x === null || y === null) return x === null ? 1 : -1;
    return (x < y ? -1 : 1) * direction;
  });
}

function number(key: SortKey, title: Key, value: (row: Transaction) => number | null, write: (value: number, format: Format) => string): Column {
  const show = (row: Transaction, format: Format): string => {
    const shown = value(row);
    return shown === null ? "–" : write(shown, format);
  };
  return { key, title, value, show, descendingFirst: true };
}
