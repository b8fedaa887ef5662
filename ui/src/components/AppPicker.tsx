// SPDX-License-Identifier: Apache-2.0
import type { App } from "../api/types";
import { useWords } from "../i18n/words";
import { useNavigation } from "../state/use-address";

export function AppPicker({ apps, app }: { apps: App[]; app: App }) {
  const { t } = useWords();
  const { go } = useNavigation();
  const choose = (name: string): void => go({ app: name, environment: null, transaction: null, statement: null, search: "" });
  return (
    <select data-testid="app-picker" aria-label={t("app.label")} title={t("app.label")} value={app.name} onChange={(event) => choose(event.currentTarget.value)}>
      {apps
        .map(({ name }) => name)
        .sort()
        .map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
    </select>
  );
}
