// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from "preact/hooks";

import type { Query } from "./api/report";
import type { App } from "./api/types";
import { LoginNeeded } from "./api/client";
import { FilterChip } from "./components/FilterChip";
import { Header } from "./components/Header";
import { SilentNote } from "./components/SilentNote";
import type { Shown } from "./pages/page";
import { findPage } from "./pages/pages";
import { useNavigation } from "./state/use-address";
import { usePolling } from "./state/use-polling";

interface Props {
  apps: App[];
  app: App;
  onLoginNeeded: () => void;
}

/** Where nothing has happened yet, somebody is waiting for the first request. */
const pace = (shown: Shown): number => (shown.quiet ? 2000 : 5000);

/** The frame of every page of one application: header, filters, and the page when its first data is there. */
export function ReportPage({ apps, app, onLoginNeeded }: Props) {
  const { address } = useNavigation();
  const [paused, setPaused] = useState(false);
  const { environment, range, transaction } = address;
  const page = findPage(address.page);
  const query: Query = { app: app.name, environment, range, transaction };
  const key = JSON.stringify([page.name, query]);
  const live = range.kind === "last";
  const polled = usePolling((signal) => page.open(query, signal), key, live && !paused ? pace : null);
  const { data, failure, updatedAt } = polled;

  useEffect(() => {
    if (failure instanceof LoginNeeded) onLoginNeeded();
  }, [failure, onLoginNeeded]);

  useEffect(() => {
    document.title = `${transaction ?? app.name} · wsgiapm`;
  }, [app.name, transaction]);

  useEffect(() => {
    // The page says so itself when it is drawn.
    delete document.documentElement.dataset["ready"];
  }, [page]);

  return (
    <>
      <Header apps={apps} app={app} freshness={{ live, paused, failed: failure !== null, updatedAt, onPause: setPaused }} />
      <main id="content" tabIndex={-1} aria-busy={polled.key !== key}>
        {transaction !== null && <FilterChip transaction={transaction} />}
        {data?.page === page.name && data.element}
      </main>
      <SilentNote failure={failure} updatedAt={updatedAt} />
    </>
  );
}
