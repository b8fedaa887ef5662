// SPDX-License-Identifier: Apache-2.0
import { useWords } from "../i18n/words";
import { PAGES } from "../pages/pages";
import { DEFAULT_SORT, type Address } from "../state/address";
import { useNavigation } from "../state/use-address";

export function Nav() {
  const { t } = useWords();
  const { address, go, link } = useNavigation();
  // What is sorted by, searched for and looked at is of one page; the time and the transaction are of all.
  const change = (page: string): Partial<Address> => (page === address.page ? {} : { page, statement: null, search: "", sort: DEFAULT_SORT });
  return (
    <nav aria-label={t("nav.label")}>
      {PAGES.map(({ name, title }) => (
        <a
          key={name}
          href={link(change(name))}
          aria-current={address.page === name ? "page" : undefined}
          onClick={(event) => {
            if (event.ctrlKey || event.metaKey || event.shiftKey) return;
            event.preventDefault();
            go(change(name));
          }}
        >
          {t(title)}
        </a>
      ))}
    </nav>
  );
}
