// SPDX-License-Identifier: Apache-2.0
// What the browser keeps for this reader. Storage may be switched off; then every visit is the first.

export function recall(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Kept for this visit only.
  }
}
