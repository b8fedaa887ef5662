// SPDX-License-Identifier: Apache-2.0
import { Badge } from "./Badge";
import { CallerNames } from "./CallerNames";
import { ShareBar } from "./ShareBar";
import { placeOf, statementKey } from "./statement";
import { COLUMNS } from "./statement-columns";
import type { Statement } from "../api/types";
import { useWords } from "../i18n/words";
import { useNavigation } from "../state/use-address";

interface Props {
  row: Statement;
  /** Of all statements together, and of the one that takes the most: its bar is full. */
  seconds: number;
  widest: number;
}

export function StatementRow({ row, seconds, widest }: Props) {
  const { t, format } = useWords();
  const { address, go, link } = useNavigation();
  const key = statementKey(row);
  const chosen = address.statement === key;
  const change = { statement: chosen ? null : key };
  const follow = (event: MouseEvent): void => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(change);
  };

  return (
    <tr data-testid="statement-row" data-key={key} aria-current={chosen} onClick={follow}>
      <th scope="row">
        <a class="sql" href={link(change)} title={row.sql} aria-expanded={chosen} data-statement={key}>
          {row.sql}
        </a>
        {(row.n_plus_one || row.site !== null) && (
          <span class="under">
            {row.n_plus_one && (
              <Badge kind="bad" title={t("statement.nPlusOne", { n: format.integer(row.repetitions) })}>
                N+1
              </Badge>
            )}
            {row.site !== null && <span class="site">{placeOf(row.site)}</span>}
          </span>
        )}
      </th>
      {COLUMNS.filter((column) => column.key !== "name").map((column) => (
        <td key={column.key} class={`column-${column.key}`} data-testid={`cell-${column.key}`} data-value={column.value(row) ?? ""}>
          {column.key === "share" ? (
            <>
              <ShareBar part={widest > 0 ? row.seconds / widest : 0}>{seconds > 0 ? format.share(row.seconds / seconds) : "–"}</ShareBar>
              <small>{column.show(row, format)}</small>
            </>
          ) : (
            <span class={column.key === "errors" && row.errors > 0 ? "some-errors" : undefined}>{column.show(row, format)}</span>
          )}
        </td>
      ))}
      <td class="column-callers">
        <CallerNames callers={row.transactions} />
      </td>
    </tr>
  );
}
