// SPDX-License-Identifier: Apache-2.0
import { createContext } from "preact";
import { useContext, useEffect, useMemo, useState } from "preact/hooks";

import { recall, remember } from "./storage";

export const THEMES = ["system", "light", "dark"] as const;
export type ThemeChoice = (typeof THEMES)[number];
export type Theme = "light" | "dark";

export interface ThemeState {
  choice: ThemeChoice;
  /** What is on the screen now. */
  theme: Theme;
  choose: (choice: ThemeChoice) => void;
}

const KEY = "wsgiapm.theme";
const darkSystem = matchMedia("(prefers-color-scheme: dark)");

export function useThemeState(): ThemeState {
  const [choice, setChoice] = useState<ThemeChoice>(storedChoice);
  const [systemIsDark, setSystemIsDark] = useState(darkSystem.matches);

  useEffect(() => {
    const follow = (): void => setSystemIsDark(darkSystem.matches);
    darkSystem.addEventListener("change", follow);
    return () => darkSystem.removeEventListener("change", follow);
  }, []);

  const theme: Theme = choice === "system" ? (systemIsDark ? "dark" : "light") : choice;
  // At once and not in an effect: charts read the colours while they are drawn.
  document.documentElement.dataset["theme"] = theme;

  return useMemo(() => ({ choice, theme, choose: (next) => (remember(KEY, next), setChoice(next)) }), [choice, theme]);
}

export const ThemeContext = createContext<ThemeState | null>(null);

export function useTheme(): ThemeState {
  const state = useContext(ThemeContext);
  if (state === null) throw new Error("useTheme: no ThemeContext above");
  return state;
}

function storedChoice(): ThemeChoice {
  const stored = recall(KEY);
  return THEMES.find((theme) => theme === stored) ?? "system";
}
