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

/** Milliseconds from an answer to the next question; null = not again, once there is an answer. */
export type Pace<T> = ((data: T) => number) | null;

/**
 * Loads whenever `key` changes, and then at its pace.
 * Hidden tabs do not ask; they catch up when they are seen again.
 */
export function usePolling<T>(load: (signal: AbortSignal) => Promise<T>, key: string | null, pace: Pace<T>): Polled<T> {
  const [answer, setAnswer] = useState<Answer<T>>({ data: null, key: null, failure: null, updatedAt: null });
  const [round, setRound] = useState(0);
  const latest = useRef({ load, pace });
  latest.current = { load, pace };
  const catchUp = useRef(() => {});

  useEffect(() => {
    if (key === null) return undefined;
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let answered = false;
    let due = true;

    const ask = async (): Promise<void> => {
      due = false;
      let wait = RETRY;
      try {
        const data = await latest.current.load(abort.signal);
        if (abort.signal.aborted) return;
        answered = true;
        wait = latest.current.pace?.(data) ?? RETRY;
        setAnswer({ data, key, failure: null, updatedAt: Date.now() });
      } catch (failure) {
        if (abort.signal.aborted) return;
        answered = false;
        setAnswer((previous) => ({ ...previous, failure: failure instanceof Error ? failure : new Error(String(failure)) }));
      }
      timer = setTimeout(askIfWanted, wait);
    };
    const askIfWanted = (): void => {
      due = true;
      if (!document.hidden && (!answered || latest.current.pace !== null)) void ask();
    };
    catchUp.current = () => {
      if (due) askIfWanted();
    };

    askIfWanted();
    const seen = (): void => catchUp.current();
    document.addEventListener("visibilitychange", seen);
    return () => {
      abort.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [key, round]);

  // Going on after a pause.
  useEffect(() => catchUp.current(), [pace]);

  const refresh = useCallback(() => setRound((count) => count + 1), []);
  return { ...answer, refresh };
}
