// SPDX-License-Identifier: Apache-2.0
import { ShareBar } from "./ShareBar";
import { COLUMNS } from "./transaction-columns";
import type { Transaction } from "../api/types";
import { useWords } from "../i18n/words";
import { useNavigation } from "../state/use-address";

interface Props {
  row: Transaction;
  /** The largest share in the table: its bar is full. */
  widest: number;
}

export function TransactionRow({ row, widest }: Props) {
  const { t, format } = useWords();
  const { address, go, link } = useNavigation();
  const chosen = address.transaction === row.name;
  const change = { transaction: chosen ? null : row.name };
  const follow = (event: MouseEvent): void => {
    // A modified click opens the link in a new tab, as links do.
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(change);
  };

  return (
    <tr
      data-testid="transaction-row"
      data-name={row.name}
      data-requests={row.requests}
      data-errors={row.errors}
      data-codes={JSON.stringify(row.status_codes)}
      aria-current={chosen}
      onClick={follow}
    >
      {COLUMNS.map(({ key, value, show }) => {
        if (key === "name") {
          return (
            <th scope="row" key={key} title={row.name}>
              <a href={link(change)} aria-label={t(chosen ? "filter.remove" : "transactions.show", { name: row.name })}>
                {row.name}
              </a>
            </th>
          );
        }
        return (
          <td key={key} class={`column-${key}`} data-testid={`cell-${key}`} data-value={value(row) ?? ""}>
            {key === "share" ? (
              <ShareBar part={row.wall_clock_share / widest}>{show(row, format)}</ShareBar>
            ) : (
              <span class={key === "errors" && row.errors > 0 ? "some-errors" : undefined}>{show(row, format)}</span>
            )}
            {key === "errors" && row.errors > 0 && <small> {format.share(row.errors / row.requests)}</small>}
          </td>
        );
      })}
    </tr>
  );
}
