// SPDX-License-Identifier: Apache-2.0
import { useEffect } from "preact/hooks";

import { LoginNeeded } from "./api/client";
import { loadApps } from "./api/report";
import type { App as Application } from "./api/types";
import { Header } from "./components/Header";
import { Login } from "./components/Login";
import { NoApps } from "./components/NoApps";
import { SilentNote } from "./components/SilentNote";
import { UnknownApp } from "./components/UnknownApp";
import { ReportPage } from "./ReportPage";
import { useNavigation } from "./state/use-address";
import { usePolling } from "./state/use-polling";

/** Somebody who has just switched it on is waiting for the first application. */
const pace = (apps: Application[]): number => (apps.length === 0 ? 1500 : 5000);

/** Decides what there is to show: the login, a first step, or the report. */
export function App() {
  const { address, go } = useNavigation();
  const { data: apps, failure, updatedAt, refresh } = usePolling(loadApps, "apps", pace);
  const wanted = apps?.find(({ name }) => name === address.app);
  const app = wanted ?? (address.app === null ? newest(apps ?? []) : null);

  useEffect(() => {
    // So that the address names what is shown, and a copied link keeps showing it.
    if (address.app === null && app !== null) go({ app: app.name }, "replace");
  }, [address.app, app?.name]);

  if (failure instanceof LoginNeeded) {
    return (
      <>
        <Header apps={[]} app={null} freshness={null} />
        <Login onDone={refresh} />
      </>
    );
  }
  if (apps !== null && app !== null) return <ReportPage apps={apps} app={app} onLoginNeeded={refresh} />;
  return (
    <>
      <Header apps={[]} app={null} freshness={null} />
      {apps?.length === 0 && <NoApps />}
      {apps !== null && apps.length > 0 && <UnknownApp name={address.app ?? ""} apps={apps} />}
      <SilentNote failure={failure} updatedAt={updatedAt} />
    </>
  );
}

function newest(apps: Application[]): Application | null {
  return apps.reduce<Application | null>((best, app) => (best === null || app.last_seen > best.last_seen ? app : best), null);
}
