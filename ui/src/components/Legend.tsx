// SPDX-License-Identifier: Apache-2.0
import type { LegendEntry } from "../charts/drawing";

interface Props {
  entries: LegendEntry[];
  hidden: ReadonlySet<string>;
  onChange: (hidden: ReadonlySet<string>) => void;
}

/** Switches lines off and on; the last one stays. */
export function Legend({ entries, hidden, onChange }: Props) {
  const toggle = (name: string): void => {
    const next = new Set(hidden);
    if (!next.delete(name)) next.add(name);
    if (next.size < entries.length) onChange(next);
  };
  return (
    <div class="legend">
      {entries.map(({ name, label, colour }) => (
        <button type="button" key={name} aria-pressed={!hidden.has(name)} onClick={() => toggle(name)}>
          <i class="swatch" style={{ background: `var(--${colour})` }} />
          {label}
        </button>
      ))}
    </div>
  );
}
