// SPDX-License-Identifier: Apache-2.0
import { useMemo } from "preact/hooks";

import { App } from "./App";
import { preferredLanguage } from "./i18n/language";
import { WordsContext, createWords } from "./i18n/words";
import { ThemeContext, useThemeState } from "./state/theme";
import { NavigationContext, useAddressState } from "./state/use-address";

export function Root() {
  const navigation = useAddressState();
  const theme = useThemeState();
  const language = preferredLanguage(navigation.address.language);
  const words = useMemo(() => createWords(language), [language]);
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";

  return (
    <NavigationContext.Provider value={navigation}>
      <ThemeContext.Provider value={theme}>
        <WordsContext.Provider value={words}>
          <a class="skip" href="#content">
            {words.t("nav.skip")}
          </a>
          <App />
        </WordsContext.Provider>
      </ThemeContext.Provider>
    </NavigationContext.Provider>
  );
}
