// SPDX-License-Identifier: Apache-2.0
import { Refused } from "../api/client";
import { useWords } from "../i18n/words";

interface Props {
  failure: Error | null;
  /** Of the numbers on the screen, in milliseconds. */
  updatedAt: number | null;
}

/** Lies over the page, so that nothing jumps when it comes and goes; always there for screen readers to watch. */
export function SilentNote({ failure, updatedAt }: Props) {
  const { t, format } = useWords();
  const text =
    failure === null
      ? ""
      : failure instanceof Refused
        ? t("refresh.refused", { message: failure.message })
        : updatedAt === null
          ? t("refresh.silent.never")
          : t("refresh.silent.note", { time: format.time(updatedAt / 1000) });
  return (
    <p class="silent-note" role="status" data-testid="silent-note" hidden={!text}>
      {text}
    </p>
  );
}
