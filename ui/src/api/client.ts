// SPDX-License-Identifier: Apache-2.0
import { noteServerTime } from "../state/clock";

export class LoginNeeded extends Error {}

/** The server answered, and said no. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export type Parameters = Record<string, string | number | null>;

export async function getJson<T>(path: string, parameters: Parameters, signal: AbortSignal): Promise<T> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null) query.set(name, String(value));
  }
  const response = await fetch(`api/v1/${path}?${query}`, { signal, headers: { Accept: "application/json" } });
  noteServerTime(response.headers.get("Date"));
  if (response.status === 401) throw new LoginNeeded();
  if (!response.ok) throw new Refused(response.status, await errorMessage(response));
  return (await response.json()) as T;
}

/** True if the server took the token and set its cookie. */
export async function login(token: string): Promise<boolean> {
  const response = await fetch("login", {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify({ token }),
  });
  if (response.ok) return true;
  if (response.status === 401 || response.status === 403) return false;
  throw new Refused(response.status, await errorMessage(response));
}

async function errorMessage(response: Response): Promise<string> {
  try {
    const body = (await response.json()) as { error?: { message?: string } };
    return body.error?.message ?? response.statusText;
  } catch {
    return response.statusText;
  }
}
