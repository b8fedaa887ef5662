// SPDX-License-Identifier: Apache-2.0
import { Panel } from "./Panel";
import { SearchBox } from "./SearchBox";
import { TransactionsTable } from "./TransactionsTable";
import type { Transaction } from "../api/types";
import { useWords } from "../i18n/words";
import { useNavigation } from "../state/use-address";

export function TransactionsPanel({ transactions }: { transactions: Transaction[] }) {
  const { t } = useWords();
  const { address } = useNavigation();
  const wanted = address.search.trim().toLowerCase();
  const rows = transactions.filter((row) => row.name.toLowerCase().includes(wanted));
  const search = <SearchBox testId="transaction-search" label={t("transactions.search")} shown={rows.length} all={transactions.length} />;
  const subtitle = address.sort.key === "share" ? { subtitle: t("transactions.subtitle") } : {};
  return (
    <Panel name="transactions" title={t("transactions.title")} {...subtitle} aside={search}>
      {rows.length > 0 ? <TransactionsTable rows={rows} /> : <p class="quiet">{wanted ? t("transactions.noMatch", { text: address.search }) : t("quiet.title")}</p>}
    </Panel>
  );
}
