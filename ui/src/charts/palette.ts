// SPDX-License-Identifier: Apache-2.0
// The colours live in the stylesheet, once; charts get them resolved for the theme on the screen.

const NAMES = ["text", "muted", "line", "panel", "accent", "p50", "p95", "p99", "mean", "s1", "s2", "s3", "s4", "s5", "late", "c-python", "c-template", "c-db", "c-cache", "c-external", "c-messaging", "c-response"] as const;
const HEAT_STEPS = 7;

export type ColourName = (typeof NAMES)[number];
export interface Palette extends Record<ColourName, string> {
  /** From few to many. */
  heat: string[];
}

export function readPalette(): Palette {
  // A custom property is only text; the computed colour of an element is a colour.
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const resolve = (name: string): string => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const named = Object.fromEntries(NAMES.map((name) => [name, resolve(name)])) as Record<ColourName, string>;
  const heat = Array.from({ length: HEAT_STEPS }, (_, index) => resolve(`heat-${index + 1}`));
  probe.remove();
  return { ...named, heat };
}

/** `colour` ("rgb(r, g, b)") with an opacity. */
export function fade(colour: string, opacity: number): string {
  return colour.replace(/^rgb\((.*)\)$/, `rgba($1, ${opacity})`);
}
