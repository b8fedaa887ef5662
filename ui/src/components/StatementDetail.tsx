// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef } from "preact/hooks";

import { CallersTable } from "./CallersTable";
import { CodeBlock } from "./CodeBlock";
import { operationName, placeOf, serverName, statementKey } from "./statement";
import type { Site, Statement } from "../api/types";
import { useWords } from "../i18n/words";
import { serverNow } from "../state/clock";
import { useNavigation } from "../state/use-address";

/** Everything that is known of one statement. */
export function StatementDetail({ statement }: { statement: Statement }) {
  const { t, format } = useWords();
  const { go } = useNavigation();
  const heading = useRef<HTMLHeadingElement>(null);
  const key = statementKey(statement);
  const close = (): void => {
    go({ statement: null });
    // Back to where one was, or the keyboard starts again at the top of the page.
    document.querySelector<HTMLElement>(`[data-statement="${CSS.escape(key)}"]`)?.focus();
  };

  useEffect(() => {
    heading.current?.focus();
  }, [key]);

  const { duration } = statement;
  const figures: [string, string][] = [
    [t("statements.calls"), format.integer(statement.calls)],
    [t("statements.total"), format.duration(statement.seconds)],
    [t("statements.mean"), format.duration(duration.mean)],
    ["p50", format.duration(duration.p50)],
    ["p95", format.duration(duration.p95)],
    ["p99", format.duration(duration.p99)],
    [t("statements.errors"), format.integer(statement.errors)],
  ];
  return (
    <section class="panel detail" data-testid="statement-detail" aria-labelledby="statement-detail" onKeyDown={(event) => event.key === "Escape" && close()}>
      <header class="panel-head">
        <h2 id="statement-detail" ref={heading} tabIndex={-1}>
          {operationName(statement)} <small>{[statement.system, serverName(statement)].filter(Boolean).join(" · ")}</small>
        </h2>
        <button type="button" class="close" aria-label={t("statement.close")} title={t("statement.close")} onClick={close}>
          ×
        </button>
      </header>
      <div class="detail-body">
        <CodeBlock code={statement.sql} />
        <dl class="figures">
          {figures.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
        {statement.n_plus_one && <p class="warning">{t("statement.nPlusOne", { n: format.integer(statement.repetitions) })}</p>}
        <h3>{t("callers.title")}</h3>
        {statement.transactions.length > 0 ? <CallersTable callers={statement.transactions} /> : <p class="hint">{t("callers.none")}</p>}
        <h3>{t("statement.sites")}</h3>
        {statement.sites.length > 0 ? statement.sites.map((site) => <SiteNote key={site.reason} site={site} />) : <p class="hint">{t("statement.noSite")}</p>}
        <h3>{t("statement.plan")}</h3>
        {statement.plan !== null ? <CodeBlock code={statement.plan} /> : <p class="hint">{t("statement.noPlan")}</p>}
      </div>
    </section>
  );
}

function SiteNote({ site }: { site: Site }) {
  const { t, format } = useWords();
  const reason = site.reason === "slow" ? t("site.slow") : site.reason === "n_plus_one" ? t("site.nPlusOne") : site.reason;
  const cost = site.calls !== null && site.seconds !== null ? t("site.cost", { n: format.integer(site.calls), time: format.duration(site.seconds) }) : null;
  const words = [reason, cost, site.transaction, format.ago(serverNow() - site.t)].filter(Boolean);
  return (
    <p class="site-note" data-testid="site" data-reason={site.reason ?? ""}>
      <code>{placeOf(site)}</code> {site.function !== null && <code class="function">{site.function}</code>}
      <small>{words.join(" · ")}</small>
    </p>
  );
}
