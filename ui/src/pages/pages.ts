// SPDX-License-Identifier: Apache-2.0
import { Databases } from "./Databases";
import { Overview } from "./Overview";
import { definePage, type Page } from "./page";
import { loadDatabases } from "../api/databases";
import { loadReport } from "../api/report";

/** A page is a component, what it loads, and one line here; the navigation is made from it. */
export const PAGES: [Page, ...Page[]] = [
  definePage("overview", "nav.overview", loadReport, (report) => report.summary.requests === 0, Overview),
  definePage("databases", "nav.databases", loadDatabases, (report) => report.operations.length === 0, Databases),
];

export function findPage(name: string): Page {
  return PAGES.find((page) => page.name === name) ?? PAGES[0];
}
