// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef } from "preact/hooks";

import { RangeDialog } from "./RangeDialog";
import { useWords } from "../i18n/words";
import { parseAddress } from "../state/address";
import { DEFAULT_RANGE, LASTS, LAST_NAMES, isLast, shift } from "../state/range";
import { useNavigation } from "../state/use-address";

const FIXED = "fixed:";
const CUSTOM = "custom:";

export function RangePicker() {
  const { t, format } = useWords();
  const { address, go } = useNavigation();
  const dialog = useRef<HTMLDialogElement>(null);
  const { range } = address;
  const value = range.kind === "last" ? range.last : FIXED;
  const choose = (select: HTMLSelectElement): void => {
    if (isLast(select.value)) go({ range: { kind: "last", last: select.value } });
    else if (select.value === CUSTOM) dialog.current?.showModal();
    // Until the dialog is answered, the range is what it was.
    select.value = value;
  };

  useEffect(() => {
    const step = (event: KeyboardEvent): void => {
      const typing = event.target instanceof HTMLElement && event.target.matches("input, select, dialog *");
      if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
      // Keys come faster than the page is drawn: the address says where we are.
      const now = parseAddress(location.search).range;
      if (event.key === "[") go({ range: shift(now, -1) });
      if (event.key === "]" && now.kind === "between") go({ range: shift(now, 1) });
    };
    addEventListener("keydown", step);
    return () => removeEventListener("keydown", step);
  }, [go]);

  return (
    <span class="range">
      <button type="button" class="step" aria-label={t("range.earlier")} title={t("range.earlier")} onClick={() => go({ range: shift(range, -1) })}>
        ‹
      </button>
      <select data-testid="range-picker" aria-label={t("range.label")} title={t("range.label")} value={value} onChange={(event) => choose(event.currentTarget)}>
        {range.kind === "between" && (
          <option value={FIXED}>
            {format.dateTime(range.from)} – {format.time(range.to)}
          </option>
        )}
        {LAST_NAMES.map((name) => (
          <option key={name} value={name}>
            {t("range.last", { n: format.span(LASTS[name]) })}
          </option>
        ))}
        <option value={CUSTOM}>{t("range.custom")}</option>
      </select>
      <button
        type="button"
        class="step"
        aria-label={t("range.later")}
        title={t("range.later")}
        disabled={range.kind === "last"}
        onClick={() => go({ range: shift(range, 1) })}
      >
        ›
      </button>
      {range.kind === "between" && (
        <button type="button" class="back-to-live" data-testid="back-to-live" onClick={() => go({ range: DEFAULT_RANGE })}>
          {t("range.live")}
        </button>
      )}
      <RangeDialog dialog={dialog} />
    </span>
  );
}
