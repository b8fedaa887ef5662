// SPDX-License-Identifier: Apache-2.0
import { ColumnHead } from "./ColumnHead";
import { sortRows } from "./columns";
import { Panel } from "./Panel";
import { SearchBox } from "./SearchBox";
import { COLUMNS } from "./statement-columns";
import { StatementRow } from "./StatementRow";
import type { Statement } from "../api/types";
import { useWords } from "../i18n/words";
import { useNavigation } from "../state/use-address";

interface Props {
  statements: Statement[];
  /** How many there are, also beyond those that were loaded, and the seconds of all. */
  count: number;
  seconds: number;
}

export function StatementsPanel({ statements, count, seconds }: Props) {
  const { t, format } = useWords();
  const { address } = useNavigation();
  const wanted = address.search.trim().toLowerCase();
  const rows = statements.filter((row) => row.sql.toLowerCase().includes(wanted));
  const more = count > statements.length ? t("statements.longest", { n: format.integer(statements.length), all: format.integer(count) }) : t("statements.subtitle");
  const search = <SearchBox testId="statement-search" label={t("statements.search")} shown={rows.length} all={statements.length} />;
  return (
    <Panel name="statements" title={t("statements.title")} subtitle={more} aside={search}>
      {rows.length === 0 ? (
        <p class="quiet">{wanted ? t("statements.noMatch", { text: address.search }) : t("databases.quiet")}</p>
      ) : (
        <div class="table-scroll" tabIndex={0} role="region" aria-label={t("statements.title")}>
          <table class="rows statements" data-testid="statements">
            <thead>
              <tr>
                {COLUMNS.map((column) => (
                  <ColumnHead key={column.key} column={column} />
                ))}
                <th scope="col" class="column-callers">
                  {t("callers.title")}
                </th>
              </tr>
            </thead>
            <tbody>
              {sortRows(rows, COLUMNS, address.sort, (row) => row.sql).map((row) => (
                <StatementRow key={`${row.system ?? ""} ${row.fingerprint}`} row={row} seconds={seconds} widest={statements[0]?.seconds ?? 0} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}
