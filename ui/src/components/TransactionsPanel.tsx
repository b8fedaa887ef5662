// SPDX-License-Identifier: Apache-2.0
import { Panel } from "./Panel";
import { TransactionsTable } from "./TransactionsTable";
import type { Transaction } from "../api/types";
import { useWords } from "../i18n/words";
import { useNavigation } from "../state/use-address";

export function TransactionsPanel({ transactions }: { transactions: Transaction[] }) {
  const { t, format } = useWords();
  const { address, go } = useNavigation();
  const wanted = address.search.trim().toLowerCase();
  const rows = transactions.filter((row) => row.name.toLowerCase().includes(wanted));
  const count = wanted ? t("transactions.count", { n: format.integer(rows.length), all: format.integer(transactions.length) }) : "";

  const search = (
    <div class="search">
      <span role="status">{count}</span>
      <input
        type="search"
        data-testid="transaction-search"
        value={address.search}
        placeholder={t("transactions.search")}
        aria-label={t("transactions.search")}
        onInput={(event) => go({ search: event.currentTarget.value }, "replace")}
      />
    </div>
  );
  const subtitle = address.sort.key === "share" ? { subtitle: t("transactions.subtitle") } : {};
  return (
    <Panel name="transactions" title={t("transactions.title")} {...subtitle} aside={search}>
      {rows.length > 0 ? <TransactionsTable rows={rows} /> : <p class="quiet">{wanted ? t("transactions.noMatch", { text: address.search }) : t("quiet.title")}</p>}
    </Panel>
  );
}
