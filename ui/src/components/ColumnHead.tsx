// SPDX-License-Identifier: Apache-2.0
import type { Column } from "./columns";
import { useWords } from "../i18n/words";
import { useNavigation } from "../state/use-address";

export function ColumnHead({ column }: { column: Pick<Column<never>, "key" | "title" | "descendingFirst"> }) {
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
