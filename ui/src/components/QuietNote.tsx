// SPDX-License-Identifier: Apache-2.0
import { useWords } from "../i18n/words";
import { serverNow } from "../state/clock";
import { between } from "../state/range";
import { useNavigation } from "../state/use-address";

/** There is an application, but nothing happened in the window. */
export function QuietNote({ lastSeen }: { lastSeen: number | null }) {
  const { t, format } = useWords();
  const { go } = useNavigation();
  return (
    <aside class="note note-quiet" data-testid="quiet-note">
      <p>
        <strong>{t("quiet.title")}.</strong> {lastSeen === null ? t("quiet.never") : t("quiet.text", { ago: format.ago(serverNow() - lastSeen) })}
      </p>
      {lastSeen !== null && (
        <button type="button" onClick={() => go({ range: between(lastSeen - 900, lastSeen + 60) })}>
          {t("quiet.show")}
        </button>
      )}
    </aside>
  );
}
