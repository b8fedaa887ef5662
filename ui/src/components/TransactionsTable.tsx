// SPDX-License-Identifier: Apache-2.0
import { COLUMNS, sortTransactions, type Column } from "./transaction-columns";
import { TransactionRow } from "./TransactionRow";
import type { Transaction } from "../api/types";
import { useWords } from "../i18n/words";
import { useNavigation } from "../state/use-address";

export function TransactionsTable({ rows }: { rows: Transaction[] }) {
  const { t } = useWords();
  const { address } = useNavigation();
  const widest = Math.max(...rows.map((row) => row.wall_clock_share), Number.MIN_VALUE);
  return (
    <div class="table-scroll" tabIndex={0} role="region" aria-label={t("transactions.title")}>
      <table class="transactions" data-testid="transactions">
        <thead>
          <tr>
            {COLUMNS.map((column) => (
              <ColumnHead key={column.key} column={column} />
            ))}
          </tr>
        </thead>
        <tbody>
          {sortTransactions(rows, address.sort).map((row) => (
            <TransactionRow key={row.name} row={row} widest={widest} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function ColumnHead({ column }: { column: Column }) {
  const { t } = useWords();
  const { address, go } = useNavigation();
  const { key, descending } = address.sort;
  const active = key === column.key;
  const sort = { key: column.key, descending: active ? !descending : column.descendingFirst };
  return (
    <th scope="col" class={`column-${column.key}`} aria-sort={active ? (descending ? "descending" : "ascending") : "none"}>
      <button type="button" data-testid={`sort-${column.key}`} onClick={() => go({ sort })}>
        {active && (
          <span class="sort-mark" aria-hidden="true">
            {descending ? "▼" : "▲"}
          </span>
        )}
        {t(column.title)}
      </button>
    </th>
  );
}
