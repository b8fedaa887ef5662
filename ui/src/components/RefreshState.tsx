// SPDX-License-Identifier: Apache-2.0
import { useWords } from "../i18n/words";

export interface Freshness {
  /** Does the range move with the clock? */
  live: boolean;
  paused: boolean;
  failed: boolean;
  /** Milliseconds. */
  updatedAt: number | null;
  onPause: (paused: boolean) => void;
}

export function RefreshState({ live, paused, failed, updatedAt, onPause }: Freshness) {
  const { t, format } = useWords();
  const state = failed ? "silent" : !live ? "fixed" : paused ? "paused" : "live";
  const updated = updatedAt === null ? t("refresh.loading") : t("refresh.updated", { time: format.time(updatedAt / 1000) });
  return (
    <button
      type="button"
      class={`refresh refresh-${state}`}
      data-testid="refresh-state"
      data-state={state}
      disabled={!live}
      title={updated}
      aria-pressed={paused}
      aria-label={`${t(`refresh.${state}`)}. ${t(paused ? "refresh.resume" : "refresh.pause")}`}
      onClick={() => onPause(!paused)}
    >
      <i class="dot" />
      <span>{t(`refresh.${state}`)}</span>
      <span class="updated">{updatedAt === null ? "" : format.time(updatedAt / 1000)}</span>
    </button>
  );
}
