// SPDX-License-Identifier: Apache-2.0
import type { Language } from "./language";

/** What stands for a number that cannot be computed. */
export const NOTHING = "–";

export interface Format {
  integer: (value: number) => string;
  /** Three significant digits, and never less than the whole number. */
  number: (value: number) => string;
  compact: (value: number) => string;
  apdex: (value: number | null) => string;
  /** A part of one, in percent. */
  share: (value: number) => string;
  /** Seconds as number and unit. */
  durationParts: (seconds: number | null) => [string, string];
  duration: (seconds: number | null) => string;
  /** A length of time named by people: "30 minutes", "30 min". */
  span: (seconds: number, display?: "long" | "short") => string;
  ago: (seconds: number) => string;
  /** Epoch seconds. */
  time: (t: number) => string;
  dateTime: (t: number) => string;
  /** A tick of a time axis: no more of the time than it needs. */
  tick: (t: number) => string;
}

const LOCALES: Record<Language, string> = { en: "en-GB", zh: "zh-CN" };
const SPAN_UNITS = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
] as const;

export function createFormat(language: Language): Format {
  const locale = LOCALES[language];
  const integers = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
  const digits = new Intl.NumberFormat(locale, { maximumSignificantDigits: 3 });
  // Not the locale's own: with Chinese myriads an axis would read 0, 5000, 1万, 1.5万.
  const compacts = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
  const apdexes = new Intl.NumberFormat(locale, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const percents = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 2 });
  const smallPercents = new Intl.NumberFormat(locale, { style: "percent", maximumSignificantDigits: 1 });
  const widePercents = new Intl.NumberFormat(locale, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  const clock: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const times = new Intl.DateTimeFormat(locale, { ...clock, second: "2-digit" });
  const minutes = new Intl.DateTimeFormat(locale, clock);
  const days = new Intl.DateTimeFormat(locale, { month: "short", day: "numeric" });
  const moments = new Intl.DateTimeFormat(locale, { month: "short", day: "numeric", ...clock, second: "2-digit" });

  const number = (value: number): string => (Math.abs(value) >= 1000 ? integers : digits).format(value);
  const durationParts = (seconds: number | null): [string, string] => {
    if (seconds === null) return [NOTHING, ""];
    if (seconds === 0) return ["0", "ms"];
    if (seconds < 0.9995e-3) return [digits.format(seconds * 1e6), "µs"];
    if (seconds < 0.9995) return [digits.format(seconds * 1e3), "ms"];
    return [number(seconds), "s"];
  };
  const unitFor = (seconds: number): (typeof SPAN_UNITS)[number] => SPAN_UNITS.find(([, length]) => seconds >= length) ?? ["second", 1];

  return {
    integer: (value) => integers.format(value),
    number,
    compact: (value) => compacts.format(value),
    apdex: (value) => (value === null ? NOTHING : apdexes.format(value)),
    share: (value) => (value > 0 && value < 0.0001 ? smallPercents : value >= 0.1 ? widePercents : percents).format(value),
    durationParts,
    duration: (seconds) => durationParts(seconds).filter(Boolean).join(" "),
    span: (seconds, unitDisplay = "long") => {
      const [unit, length] = unitFor(seconds);
      return new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay, maximumFractionDigits: 1 }).format(seconds / length);
    },
    ago: (seconds) => {
      const [unit, length] = unitFor(Math.max(seconds, 0));
      return relative.format(-Math.round(Math.max(seconds, 0) / length), unit);
    },
    time: (t) => times.format(t * 1000),
    dateTime: (t) => moments.format(t * 1000),
    tick: (t) => {
      const date = new Date(t * 1000);
      if (date.getSeconds() !== 0) return times.format(date);
      return (date.getHours() + date.getMinutes() === 0 ? days : minutes).format(date);
    },
  };
}
