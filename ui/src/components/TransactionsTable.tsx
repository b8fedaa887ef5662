// SPDX-License-Identifier: Apache-2.0
import { ColumnHead } from "./ColumnHead";
import { sortRows } from "./columns";
import { COLUMNS } from "./transaction-columns";
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
      <table class="rows transactions" data-testid="transactions">
        <thead>
          <tr>
            {COLUMNS.map((column) => (
              <ColumnHead key={column.key} column={column} />
            ))}
          </tr>
        </thead>
        <tbody>
          {sortRows(rows, COLUMNS, address.sort, (row) => row.name).map((row) => (
            <TransactionRow key={row.name} row={row} widest={widest} />
          ))}
        </tbody>
      </table>
    </div>
  );
}
