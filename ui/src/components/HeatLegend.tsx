// SPDX-License-Identifier: Apache-2.0
import { useWords } from "../i18n/words";

export function HeatLegend() {
  const { t } = useWords();
  return (
    <div class="heat-legend" aria-hidden="true">
      {t("chart.fewer")}
      {[1, 2, 3, 4, 5, 6, 7].map((step) => (
        <i key={step} style={{ background: `var(--heat-${step})` }} />
      ))}
      {t("chart.more")}
    </div>
  );
}
