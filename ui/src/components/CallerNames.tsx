// SPDX-License-Identifier: Apache-2.0
import type { Caller } from "../api/types";
import { useWords } from "../i18n/words";

/** Who called the most, and how many others there are. */
export function CallerNames({ callers }: { callers: Caller[] }) {
  const { t, format } = useWords();
  const [first] = callers;
  if (first === undefined) return <>–</>;
  return (
    <span class="caller-names" title={callers.map(({ name }) => name).join("\n")}>
      <span>{first.name}</span>
      {callers.length > 1 && <small> {t("callers.others", { n: format.integer(callers.length - 1) })}</small>}
    </span>
  );
}
