// SPDX-License-Identifier: Apache-2.0
// The whole state of the page is its address: a copied link shows the same page, and the back button undoes.

import { DEFAULT_RANGE, between, isLast, type Range } from "./range";
import { isLanguage, type Language } from "../i18n/language";

export const SORT_KEYS = ["name", "share", "requests", "rpm", "mean", "p95", "apdex", "errors", "calls"] as const;
export type SortKey = (typeof SORT_KEYS)[number];
export interface Sort {
  key: SortKey;
  descending: boolean;
}

export interface Address {
  page: string;
  app: string | null;
  /** null = all of them. */
  environment: string | null;
  range: Range;
  transaction: string | null;
  /** The one whose details are shown. */
  statement: string | null;
  sort: Sort;
  search: string;
  language: Language | null;
  test: boolean;
}

export const DEFAULT_SORT: Sort = { key: "share", descending: true };

export function parseAddress(search: string): Address {
  const query = new URLSearchParams(search);
  const language = query.get("lang") ?? "";
  return {
    page: query.get("page") ?? "overview",
    app: query.get("app") || null,
    environment: query.get("environment"),
    range: parseRange(query),
    transaction: query.get("transaction") || null,
    statement: query.get("statement") || null,
    sort: parseSort(query.get("sort") ?? ""),
    search: query.get("q") ?? "",
    language: isLanguage(language) ? language : null,
    test: query.get("test") === "1",
  };
}

/** The query string with its question mark; what is at its default is left out. */
export function formatAddress(address: Address): string {
  const query = new URLSearchParams();
  if (address.page !== "overview") query.set("page", address.page);
  if (address.app !== null) query.set("app", address.app);
  if (address.environment !== null) query.set("environment", address.environment);
  if (address.range.kind === "between") {
    query.set("from", String(address.range.from));
    query.set("to", String(address.range.to));
  } else if (address.range.last !== (DEFAULT_RANGE as { last: string }).last) query.set("last", address.range.last);
  if (address.transaction !== null) query.set("transaction", address.transaction);
  if (address.statement !== null) query.set("statement", address.statement);
  const sort = formatSort(address.sort);
  if (sort !== formatSort(DEFAULT_SORT)) query.set("sort", sort);
  if (address.search) query.set("q", address.search);
  if (address.language !== null) query.set("lang", address.language);
  if (address.test) query.set("test", "1");
  // Routes stay readable: a slash and a colon need no escape in a query.
  const text = query.toString().replaceAll("%2F", "/").replaceAll("%3A", ":");
  return text ? `?${text}` : "";
}

function parseRange(query: URLSearchParams): Range {
  const from = Number(query.get("from") ?? Number.NaN);
  const to = Number(query.get("to") ?? Number.NaN);
  if (Number.isFinite(from) && Number.isFinite(to) && from > 0 && from < to) return between(from, to);
  const last = query.get("last") ?? "";
  return isLast(last) ? { kind: "last", last } : DEFAULT_RANGE;
}

function parseSort(text: string): Sort {
  const key = SORT_KEYS.find((candidate) => candidate === text.replace(/^-/, ""));
  return key === undefined ? DEFAULT_SORT : { key, descending: text.startsWith("-") };
}

function formatSort(sort: Sort): string {
  return (sort.descending ? "-" : "") + sort.key;
}
