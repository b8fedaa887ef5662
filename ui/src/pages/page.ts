// SPDX-License-Identifier: Apache-2.0
import { h, type ComponentChild, type FunctionComponent } from "preact";

import type { Query } from "../api/report";
import type { Key } from "../i18n/words";

export interface PageProps<T> {
  report: T;
}

/** A page with its data. */
export interface Shown {
  /** Of which page. */
  page: string;
  /** Nothing has happened yet: somebody may be waiting for the first request. */
  quiet: boolean;
  element: ComponentChild;
}

export interface Page {
  /** As it stands in the address. */
  name: string;
  title: Key;
  open: (query: Query, signal: AbortSignal) => Promise<Shown>;
}

type Load<T> = (query: Query, signal: AbortSignal) => Promise<T>;

/** A page is what it loads and the component that shows it. */
export function definePage<T>(name: string, title: Key, load: Load<T>, isQuiet: (report: T) => boolean, component: FunctionComponent<PageProps<T>>): Page {
  const open = async (query: Query, signal: AbortSignal): Promise<Shown> => {
    const report = await load(query, signal);
    return { page: name, quiet: isQuiet(report), element: h(component, { report }) };
  };
  return { name, title, open };
}
