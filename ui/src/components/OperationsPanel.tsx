// SPDX-License-Identifier: Apache-2.0
import { CallerNames } from "./CallerNames";
import { Panel } from "./Panel";
import { ShareBar } from "./ShareBar";
import { operationName, serverName } from "./statement";
import type { Operation } from "../api/types";
import { useWords } from "../i18n/words";

export function OperationsPanel({ operations }: { operations: Operation[] }) {
  const { t, format } = useWords();
  const seconds = operations.reduce((sum, operation) => sum + operation.seconds, 0);
  const widest = Math.max(...operations.map((operation) => operation.seconds), Number.MIN_VALUE);
  return (
    <Panel name="operations" title={t("operations.title")} subtitle={t("operations.subtitle")}>
      {operations.length === 0 ? (
        <p class="quiet">{t("databases.quiet")}</p>
      ) : (
        <div class="table-scroll" tabIndex={0} role="region" aria-label={t("operations.title")}>
          <table class="rows operations" data-testid="operations">
            <thead>
              <tr>
                <th scope="col">{t("operations.name")}</th>
                <th scope="col" class="column-server">
                  {t("operations.server")}
                </th>
                <th scope="col">{t("statements.share")}</th>
                <th scope="col">{t("statements.calls")}</th>
                <th scope="col">{t("statements.mean")}</th>
                <th scope="col">{t("statements.p95")}</th>
                <th scope="col" class="column-errors">
                  {t("statements.errors")}
                </th>
                <th scope="col" class="column-callers">
                  {t("callers.title")}
                </th>
              </tr>
            </thead>
            <tbody>
              {operations.map((operation) => (
                <tr key={`${operation.system} ${operationName(operation)} ${serverName(operation)}`} data-testid="operation-row" data-name={operationName(operation)} data-calls={operation.calls}>
                  <th scope="row" title={operationName(operation)}>
                    {operationName(operation)}
                  </th>
                  <td class="column-server">
                    {operation.system} <small>{serverName(operation)}</small>
                  </td>
                  <td class="column-share">
                    <ShareBar part={operation.seconds / widest}>{seconds > 0 ? format.share(operation.seconds / seconds) : "–"}</ShareBar>
                    <small>{format.duration(operation.seconds)}</small>
                  </td>
                  <td>{format.integer(operation.calls)}</td>
                  <td>{format.duration(operation.duration.mean)}</td>
                  <td>{format.duration(operation.duration.p95)}</td>
                  <td class="column-errors">
                    <span class={operation.errors > 0 ? "some-errors" : undefined}>{format.integer(operation.errors)}</span>
                  </td>
                  <td class="column-callers">
                    <CallerNames callers={operation.callers} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}
