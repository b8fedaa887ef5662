// SPDX-License-Identifier: Apache-2.0
import { useEffect } from "preact/hooks";

import type { PageProps } from "./page";
import type { DatabaseReport } from "../api/databases";
import type { Caller } from "../api/types";
import { OperationsPanel } from "../components/OperationsPanel";
import { StatementDetail } from "../components/StatementDetail";
import { StatementsPanel } from "../components/StatementsPanel";
import { statementKey } from "../components/statement";
import { useWords } from "../i18n/words";
import { useNavigation } from "../state/use-address";

export function Databases({ report }: PageProps<DatabaseReport>) {
  const { t } = useWords();
  const { address } = useNavigation();
  const { transaction } = address;
  const isCaller = ({ name }: Caller): boolean => transaction === null || name === transaction;
  const statements = report.statements.filter((statement) => transaction === null || statement.transactions.some(isCaller));
  const operations = report.operations.filter((operation) => transaction === null || operation.callers.some(isCaller));
  const chosen = report.statements.find((statement) => statementKey(statement) === address.statement);

  useEffect(() => {
    document.documentElement.dataset["ready"] = "true";
  }, []);

  return (
    <>
      {transaction !== null && <p class="note note-filtered">{t("databases.filtered")}</p>}
      <div class={chosen === undefined ? "databases" : "databases with-detail"}>
        <StatementsPanel statements={statements} count={transaction === null ? report.count : statements.length} seconds={report.seconds} />
        {chosen !== undefined && <StatementDetail statement={chosen} />}
        <OperationsPanel operations={operations} />
      </div>
    </>
  );
}
