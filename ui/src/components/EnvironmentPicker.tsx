// SPDX-License-Identifier: Apache-2.0
import type { App } from "../api/types";
import { useWords } from "../i18n/words";
import { useNavigation } from "../state/use-address";

const ALL = "all:";

/** Nothing to pick from where there is only one. */
export function EnvironmentPicker({ app }: { app: App }) {
  const { t } = useWords();
  const { address, go } = useNavigation();
  if (app.environments.length < 2) return null;
  return (
    <select
      data-testid="environment-picker"
      aria-label={t("environment.label")}
      title={t("environment.label")}
      value={address.environment ?? ALL}
      onChange={(event) => go({ environment: event.currentTarget.value === ALL ? null : event.currentTarget.value })}
    >
      <option value={ALL}>{t("environment.all")}</option>
      {app.environments.map((name) => (
        <option key={name} value={name}>
          {name || t("environment.unnamed")}
        </option>
      ))}
    </select>
  );
}
