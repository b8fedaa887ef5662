// SPDX-License-Identifier: Apache-2.0
import { CodeBlock } from "./CodeBlock";
import { useWords } from "../i18n/words";

const USUAL_ENDPOINT = "http://127.0.0.1:4318";

/** The first thing a new user sees: what to do, and that somebody is listening. */
export function NoApps() {
  const { t } = useWords();
  return (
    <main class="centred" id="content" tabIndex={-1}>
      <section class="card" data-testid="no-apps">
        <h1>{t("empty.title")}</h1>
        <p>{t("empty.text")}</p>
        <h2>{t("empty.step.install")}</h2>
        <CodeBlock code="pip install wsgiapm" />
        <h2>{t("empty.step.wrap")}</h2>
        <CodeBlock code={"from wsgiapm import APMMiddleware\napplication = APMMiddleware(application)"} />
        {location.origin !== USUAL_ENDPOINT && (
          <>
            <h2>{t("empty.endpoint")}</h2>
            <CodeBlock code={`WSGIAPM_ENDPOINT=${location.origin}`} />
          </>
        )}
        <p class="waiting" role="status">
          <i class="dot" /> {t("empty.waiting")}
        </p>
      </section>
    </main>
  );
}
