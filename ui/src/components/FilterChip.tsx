// SPDX-License-Identifier: Apache-2.0
import { useWords } from "../i18n/words";
import { useNavigation } from "../state/use-address";

export function FilterChip({ transaction }: { transaction: string }) {
  const { t } = useWords();
  const { go } = useNavigation();
  return (
    <p class="filters">
      <span class="chip" data-testid="filter-chip">
        <span class="chip-kind">{t("filter.transaction")}</span>
        <span class="chip-name">{transaction}</span>
        <button type="button" aria-label={t("filter.remove", { name: transaction })} onClick={() => go({ transaction: null })}>
          ×
        </button>
      </span>
    </p>
  );
}
