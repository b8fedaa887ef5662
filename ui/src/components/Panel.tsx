// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from "preact";

interface Props {
  name: string;
  title: string;
  subtitle?: string;
  aside?: ComponentChildren;
  children: ComponentChildren;
}

export function Panel({ name, title, subtitle, aside, children }: Props) {
  const id = `panel-${name}`;
  return (
    <section class={`panel panel-${name}`} aria-labelledby={id}>
      <header class="panel-head">
        <h2 id={id}>
          {title} {subtitle !== undefined && <small>{subtitle}</small>}
        </h2>
        {aside}
      </header>
      {children}
    </section>
  );
}
