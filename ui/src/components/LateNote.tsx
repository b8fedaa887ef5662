// SPDX-License-Identifier: Apache-2.0
import { useWords } from "../i18n/words";

export function LateNote({ late }: { late: number }) {
  const { t, format } = useWords();
  return (
    <aside class="note note-late" data-testid="late-note" data-value={late}>
      <svg viewBox="0 0 20 20" aria-hidden="true">
        <circle cx="10" cy="10" r="8" />
        <path d="M10 5.5V10l3 2" />
      </svg>
      <p>
        <strong>{t("late.title", { n: format.integer(late) })}</strong> {t("late.text")}
      </p>
    </aside>
  );
}
