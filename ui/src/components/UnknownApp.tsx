// SPDX-License-Identifier: Apache-2.0
import type { App } from "../api/types";
import { useWords } from "../i18n/words";
import { useNavigation } from "../state/use-address";

export function UnknownApp({ name, apps }: { name: string; apps: App[] }) {
  const { t } = useWords();
  const { link } = useNavigation();
  return (
    <main class="centred" id="content" tabIndex={-1}>
      <section class="card" data-testid="unknown-app">
        <h1>{t("unknown.title", { name })}</h1>
        <p>{t("unknown.text")}</p>
        <ul>
          {apps.map((app) => (
            <li key={app.name}>
              <a href={link({ app: app.name, environment: null, transaction: null })}>{app.name}</a>
            </li>
          ))}
        </ul>
      </section>
    </main>
  );
}
