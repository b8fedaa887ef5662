// SPDX-License-Identifier: Apache-2.0
import { useState } from "preact/hooks";
import type { RefObject } from "preact";

import { useWords } from "../i18n/words";
import { between, resolveRange } from "../state/range";
import { useNavigation } from "../state/use-address";

/** For those who know the times, or have no mouse to drag with. */
export function RangeDialog({ dialog }: { dialog: RefObject<HTMLDialogElement | null> }) {
  const { t } = useWords();
  const { address, go } = useNavigation();
  const [invalid, setInvalid] = useState(false);
  const { from, to } = resolveRange(address.range);

  const apply = (event: SubmitEvent): void => {
    const form = new FormData(event.currentTarget as HTMLFormElement, event.submitter);
    const [start, end] = [epoch(form.get("from")), epoch(form.get("to"))];
    setInvalid(!(start < end));
    if (start < end) go({ range: between(start, end) });
    else event.preventDefault();
  };

  return (
    <dialog ref={dialog} aria-label={t("range.label")}>
      <form method="dialog" onSubmit={apply}>
        <label>
          {t("range.from")}
          <input type="datetime-local" name="from" step="1" required defaultValue={local(from)} />
        </label>
        <label>
          {t("range.to")}
          <input type="datetime-local" name="to" step="1" required defaultValue={local(to)} />
        </label>
        {invalid && <p role="alert">{t("range.invalid")}</p>}
        <p class="buttons">
          <button type="button" onClick={() => dialog.current?.close()}>
            {t("range.cancel")}
          </button>
          <button type="submit" class="primary">
            {t("range.apply")}
          </button>
        </p>
      </form>
    </dialog>
  );
}

/** The reader's local time, as the field wants it. */
function local(t: number): string {
  const minutes = new Date(t * 1000).getTimezoneOffset();
  return new Date(t * 1000 - minutes * 60_000).toISOString().slice(0, 19);
}

function epoch(value: FormDataEntryValue | null): number {
  return typeof value === "string" ? new Date(value).getTime() / 1000 : Number.NaN;
}
