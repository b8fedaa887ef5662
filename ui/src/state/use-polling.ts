// SPDX-License-Identifier: Apache-2.0
import { useCallback, useEffect, useRef, useState } from "preact/hooks";

export interface Polled<T> {
  /** The last good answer; it stays while the server does not answer. */
  data: T | null;
  /** Of which question `data` is the answer. */
  key: string | null;
  failure: Error | null;
  /** When `data` arrived, in milliseconds of the browser's clock. */
  updatedAt: number | null;
  refresh: () => void;
}

interface Answer<T> {
  data: T | null;
  key: string | null;
  failure: Error | null;
  updatedAt: number | null;
}

const RETRY = 5000;

/**
 * Loads whenever `key` changes and then every `interval` milliseconds after an answer (null = until there is an answer).
 * Hidden tabs do not ask; they catch up when they are seen again.
 */
export function usePolling<T>(load: (signal: AbortSignal) => Promise<T>, key: string | null, interval: number | null): Polled<T> {
  const [answer, setAnswer] = useState<Answer<T>>({ data: null, key: null, failure: null, updatedAt: null });
  const [round, setRound] = useState(0);
  const latest = useRef(load);
  latest.current = load;

  useEffect(() => {
    if (key === null) return undefined;
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let due = false;

    const ask = async (): Promise<void> => {
      due = false;
      let failed = false;
      try {
        const data = await latest.current(abort.signal);
        if (abort.signal.aborted) return;
        setAnswer({ data, key, failure: null, updatedAt: Date.now() });
      } catch (failure) {
        if (abort.signal.aborted) return;
        failed = true;
        setAnswer((previous) => ({ ...previous, failure: failure instanceof Error ? failure : new Error(String(failure)) }));
      }
      if (interval !== null || failed) timer = setTimeout(askIfSeen, interval ?? RETRY);
    };
    const askIfSeen = (): void => {
      if (document.hidden) due = true;
      else void ask();
    };
    const catchUp = (): void => {
      if (!document.hidden && due) void ask();
    };

    askIfSeen();
    document.addEventListener("visibilitychange", catchUp);
    return () => {
      abort.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", catchUp);
    };
  }, [key, interval, round]);

  const refresh = useCallback(() => setRound((count) => count + 1), []);
  return { ...answer, refresh };
}
