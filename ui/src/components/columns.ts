// SPDX-License-Identifier: Apache-2.0
import type { Format } from "../i18n/format";
import type { Key } from "../i18n/words";
import type { Sort, SortKey } from "../state/address";

/** A column of a table that can be sorted. */
export interface Column<T> {
  key: SortKey;
  title: Key;
  /** What is compared, and what a test reads; null sorts last. */
  value: (row: T) => number | string | null;
  show: (row: T, format: Format) => string;
  /** The direction of the first click: the worst on top. */
  descendingFirst: boolean;
}

export function numberColumn<T>(key: SortKey, title: Key, value: (row: T) => number | null, write: (value: number, format: Format) => string): Column<T> {
  const show = (row: T, format: Format): string => {
    const shown = value(row);
    return shown === null ? "–" : write(shown, format);
  };
  return { key, title, value, show, descendingFirst: true };
}

/** By a column; rows that are equal in it by name, and as they came where there is no such column. */
export function sortRows<T>(rows: T[], columns: Column<T>[], sort: Sort, name: (row: T) => string): T[] {
  const column = columns.find(({ key }) => key === sort.key);
  if (column === undefined) return rows;
  const direction = sort.descending ? -1 : 1;
  return rows.toSorted((a, b) => {
    const [x, y] = [column.value(a), column.value(b)];
    if (x === y) return name(a).localeCompare(name(b));
    if (x === null || y === null) return x === null ? 1 : -1;
    return (x < y ? -1 : 1) * direction;
  });
}
