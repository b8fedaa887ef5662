// SPDX-License-Identifier: Apache-2.0
import { AppPicker } from "./AppPicker";
import { EnvironmentPicker } from "./EnvironmentPicker";
import { LanguageSwitch } from "./LanguageSwitch";
import { Nav } from "./Nav";
import { RangePicker } from "./RangePicker";
import { RefreshState, type Freshness } from "./RefreshState";
import { ThemeSwitch } from "./ThemeSwitch";
import { Wordmark } from "./Wordmark";
import type { App } from "../api/types";

interface Props {
  apps: App[];
  app: App | null;
  freshness: Freshness | null;
}

export function Header({ apps, app, freshness }: Props) {
  return (
    <header class="top">
      <Wordmark />
      {app !== null && <Nav />}
      <div class="controls">
        {app !== null && <AppPicker apps={apps} app={app} />}
        {app !== null && <EnvironmentPicker app={app} />}
        {app !== null && <RangePicker />}
        {freshness !== null && <RefreshState {...freshness} />}
        <span class="switches">
          <ThemeSwitch />
          <LanguageSwitch />
        </span>
      </div>
    </header>
  );
}
