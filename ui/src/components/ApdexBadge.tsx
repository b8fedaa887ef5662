// SPDX-License-Identifier: Apache-2.0
import { useWords, type Key } from "../i18n/words";

// The bands of the Apdex standard.
const BANDS: [number, Key, string][] = [
  [0.94, "apdex.excellent", "good"],
  [0.85, "apdex.good", "good"],
  [0.7, "apdex.fair", "fair"],
  [0.5, "apdex.poor", "bad"],
  [0, "apdex.unacceptable", "bad"],
];

export function ApdexBadge({ apdex }: { apdex: number | null }) {
  const { t } = useWords();
  const band = apdex === null ? undefined : BANDS.find(([least]) => apdex >= least);
  return band === undefined ? null : <span class={`badge badge-${band[2]}`}>{t(band[1])}</span>;
}
