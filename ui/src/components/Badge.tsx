// SPDX-License-Identifier: Apache-2.0
interface Props {
  kind: "good" | "fair" | "bad" | "plain";
  title?: string;
  children: string;
}

export function Badge({ kind, title, children }: Props) {
  return (
    <span class={`badge badge-${kind}`} {...(title === undefined ? {} : { title })}>
      {children}
    </span>
  );
}
