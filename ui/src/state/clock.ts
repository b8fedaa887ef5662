// SPDX-License-Identifier: Apache-2.0
// The server's clock decides what "the last 30 minutes" are: the browser's may be off, or on another machine.

let offset = 0;

export function noteServerTime(date: string | null): void {
  const server = date === null ? Number.NaN : Date.parse(date);
  if (Number.isNaN(server)) return;
  const difference = server - Date.now();
  // The header has whole seconds; less than two is no evidence.
  offset = Math.abs(difference) < 2000 ? 0 : difference;
}

/** Epoch seconds on the server. */
export function serverNow(): number {
  return (Date.now() + offset) / 1000;
}
