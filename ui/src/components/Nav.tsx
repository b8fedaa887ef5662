// SPDX-License-Identifier: Apache-2.0
import { useWords } from "../i18n/words";
import { PAGES } from "../pages/pages";
import { useNavigation } from "../state/use-address";

export function Nav() {
  const { t } = useWords();
  const { address, go, link } = useNavigation();
  return (
    <nav aria-label={t("nav.label")}>
      {PAGES.map(({ name, title }) => (
        <a
          key={name}
          href={link({ page: name })}
          aria-current={address.page === name ? "page" : undefined}
          onClick={(event) => {
            if (event.ctrlKey || event.metaKey || event.shiftKey) return;
            event.preventDefault();
            go({ page: name });
          }}
        >
          {t(title)}
        </a>
      ))}
    </nav>
  );
}
