// SPDX-License-Identifier: Apache-2.0
// Which moment the reader points at: the charts tell it to each other here.

type Listener = (time: number | null, from: string) => void;

const listeners = new Set<Listener>();

export function pointAt(time: number | null, from: string): void {
  for (const listener of listeners) listener(time, from);
}

export function onPointAt(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
