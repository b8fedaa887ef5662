// SPDX-License-Identifier: Apache-2.0
import { useNavigation } from "../state/use-address";

export function Wordmark() {
  const { link } = useNavigation();
  return (
    <a class="wordmark" href={link({ page: "overview", transaction: null, statement: null, search: "" })}>
      <svg viewBox="0 0 32 32" aria-hidden="true">
        <rect width="32" height="32" rx="8" />
        <path d="M6 18h4l3-9 5 15 3.5-10 1.5 4h3" />
      </svg>
      wsgiapm
    </a>
  );
}
