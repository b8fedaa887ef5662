// SPDX-License-Identifier: Apache-2.0
import { createContext } from "preact";
import { useContext } from "preact/hooks";

import { en } from "./en";
import { createFormat, type Format } from "./format";
import type { Language } from "./language";
import { zh } from "./zh";

export type Key = keyof typeof en;
export type Translate = (key: Key, values?: Record<string, string>) => string;

/** Everything that depends on the language. */
export interface Words {
  language: Language;
  t: Translate;
  format: Format;
}

const DICTIONARIES: Record<Language, Record<Key, string>> = { en, zh };

export function createWords(language: Language): Words {
  const words = DICTIONARIES[language];
  const t: Translate = (key, values) => words[key].replace(/\{(\w+)\}/g, (hole, name: string) => values?.[name] ?? hole);
  return { language, t, format: createFormat(language) };
}

export const WordsContext = createContext<Words>(createWords("en"));

export function useWords(): Words {
  return useContext(WordsContext);
}
