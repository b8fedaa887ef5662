// SPDX-License-Identifier: Apache-2.0
import { rememberLanguage, type Language } from "../i18n/language";
import { useWords } from "../i18n/words";
import { useNavigation } from "../state/use-address";

export function LanguageSwitch() {
  const { language, t } = useWords();
  const { go } = useNavigation();
  const other: Language = language === "en" ? "zh" : "en";
  const change = (): void => {
    rememberLanguage(other);
    go({ language: other }, "replace");
  };
  return (
    <button type="button" class="language" data-testid="language-switch" lang={other} aria-label={other === "zh" ? "切换到中文" : "Switch to English"} title={t("language.label")} onClick={change}>
      <span class={language === "en" ? "on" : ""}>EN</span> / <span class={language === "zh" ? "on" : ""}>中</span>
    </button>
  );
}
