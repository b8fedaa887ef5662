// SPDX-License-Identifier: Apache-2.0
import { useWords } from "../i18n/words";
import { THEMES, useTheme, type ThemeChoice } from "../state/theme";

const ICONS: Record<ThemeChoice, string> = {
  system: "M4 5h16v11H4zM9 20h6M12 16v4",
  light: "M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6 19 19M5 19l1.4-1.4M17.6 6.4 19 5",
  dark: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z",
};

/** One button that goes round: system, light, dark. */
export function ThemeSwitch() {
  const { t } = useWords();
  const { choice, choose } = useTheme();
  const next = THEMES[(THEMES.indexOf(choice) + 1) % THEMES.length] ?? "system";
  const label = `${t("theme.label")}: ${t(`theme.${choice}`)}`;
  return (
    <button type="button" class="icon" data-testid="theme-switch" data-choice={choice} aria-label={label} title={label} onClick={() => choose(next)}>
      <svg viewBox="0 0 24 24" aria-hidden="true">
        <path d={ICONS[choice]} />
      </svg>
    </button>
  );
}
