// SPDX-License-Identifier: Apache-2.0
import { Overview } from "./Overview";
import type { PageProps } from "./page";
import type { Key } from "../i18n/words";

interface Page {
  /** As it stands in the address. */
  name: string;
  title: Key;
  component: (props: PageProps) => preact.VNode;
}

/** A page is a component and one line here; the navigation is made from it. */
export const PAGES: [Page, ...Page[]] = [{ name: "overview", title: "nav.overview", component: Overview }];

export function findPage(name: string): Page {
  return PAGES.find((page) => page.name === name) ?? PAGES[0];
}
