// SPDX-License-Identifier: Apache-2.0
interface Props {
  /** Of the whole length, from 0 to 1. */
  part: number;
  children: string;
}

export function ShareBar({ part, children }: Props) {
  return (
    <span class="share">
      <span class="share-bar" aria-hidden="true">
        <i style={{ width: `${part * 100}%` }} />
      </span>
      <span class="share-text">{children}</span>
    </span>
  );
}
