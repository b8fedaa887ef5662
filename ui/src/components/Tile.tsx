// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from "preact";

interface Props {
  name: string;
  label: string;
  /** The number as the API gave it, for tests and scripts. */
  raw: number | null;
  value: string;
  unit?: string;
  detail?: ComponentChildren;
  badge?: ComponentChildren;
  children?: ComponentChildren;
}

export function Tile({ name, label, raw, value, unit, detail, badge, children }: Props) {
  return (
    <section class={`tile tile-${name}`} data-testid={`tile-${name}`} data-value={raw ?? ""} aria-label={label}>
      <h2>{label}</h2>
      <p class="tile-value">
        {value}
        {unit && <span class="unit"> {unit}</span>}
        {badge}
      </p>
      {detail !== undefined && <p class="tile-detail">{detail}</p>}
      {children}
    </section>
  );
}
