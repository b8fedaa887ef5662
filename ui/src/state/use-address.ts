// SPDX-License-Identifier: Apache-2.0
import { createContext } from "preact";
import { useCallback, useContext, useEffect, useMemo, useState } from "preact/hooks";

import { formatAddress, parseAddress, type Address } from "./address";

export interface Navigation {
  address: Address;
  /** Changes the address; what cannot be undone sensibly replaces instead of adding to the history. */
  go: (change: Partial<Address>, how?: "push" | "replace") => void;
  link: (change: Partial<Address>) => string;
}

export function useAddressState(): Navigation {
  const [search, setSearch] = useState(location.search);
  const address = useMemo(() => parseAddress(search), [search]);

  useEffect(() => {
    const follow = (): void => setSearch(location.search);
    addEventListener("popstate", follow);
    return () => removeEventListener("popstate", follow);
  }, []);

  const link = useCallback((change: Partial<Address>) => formatAddress({ ...address, ...change }) || location.pathname, [address]);
  const go = useCallback((change: Partial<Address>, how: "push" | "replace" = "push") => {
    // From the address bar, not from a closure: two changes in a row must not undo each other.
    const target = formatAddress({ ...parseAddress(location.search), ...change });
    if (target === location.search) return;
    if (how === "push") history.pushState(null, "", target || location.pathname);
    else history.replaceState(null, "", target || location.pathname);
    setSearch(target);
  }, []);

  return useMemo(() => ({ address, go, link }), [address, go, link]);
}

export const NavigationContext = createContext<Navigation | null>(null);

export function useNavigation(): Navigation {
  const navigation = useContext(NavigationContext);
  if (navigation === null) throw new Error("useNavigation: no NavigationContext above");
  return navigation;
}
