// SPDX-License-Identifier: Apache-2.0
import { recall, remember } from "../state/storage";

export const LANGUAGES = ["en", "zh"] as const;
export type Language = (typeof LANGUAGES)[number];

const KEY = "wsgiapm.language";

export function isLanguage(name: string): name is Language {
  return LANGUAGES.some((language) => language === name);
}

/** The address first, then what was chosen before, then what the browser asks for. */
export function preferredLanguage(fromAddress: Language | null): Language {
  if (fromAddress !== null) return fromAddress;
  const stored = recall(KEY) ?? "";
  if (isLanguage(stored)) return stored;
  const wanted = navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase()).find(isLanguage);
  return wanted ?? "en";
}

export function rememberLanguage(language: Language): void {
  remember(KEY, language);
}
