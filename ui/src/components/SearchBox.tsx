// SPDX-License-Identifier: Apache-2.0
import { useWords } from "../i18n/words";
import { useNavigation } from "../state/use-address";

interface Props {
  testId: string;
  label: string;
  /** How many rows are left, and of how many. */
  shown: number;
  all: number;
}

/** Narrows a table; what is typed stands in the address. */
export function SearchBox({ testId, label, shown, all }: Props) {
  const { t, format } = useWords();
  const { address, go } = useNavigation();
  const count = shown === all ? "" : t("table.count", { n: format.integer(shown), all: format.integer(all) });
  return (
    <div class="search">
      <span role="status">{count}</span>
      <input
        type="search"
        data-testid={testId}
        value={address.search}
        placeholder={label}
        aria-label={label}
        onInput={(event) => go({ search: event.currentTarget.value }, "replace")}
      />
    </div>
  );
}
