// SPDX-License-Identifier: Apache-2.0
import { Badge } from "./Badge";
import { ShareBar } from "./ShareBar";
import type { Caller } from "../api/types";
import { DEFAULT_SORT } from "../state/address";
import { useWords } from "../i18n/words";
import { useNavigation } from "../state/use-address";

/** Who spends the time of a statement: each transaction with its part. */
export function CallersTable({ callers }: { callers: Caller[] }) {
  const { t, format } = useWords();
  const { link } = useNavigation();
  const whole = callers.reduce((sum, caller) => sum + caller.seconds, 0);
  const all = { page: "overview", statement: null, search: "", sort: DEFAULT_SORT };
  return (
    <table class="callers" data-testid="callers">
      <thead>
        <tr>
          <th scope="col">{t("callers.name")}</th>
          <th scope="col">{t("statements.share")}</th>
          <th scope="col">{t("statements.calls")}</th>
        </tr>
      </thead>
      <tbody>
        {callers.map((caller) => (
          <tr key={`${caller.kind} ${caller.name}`} data-name={caller.name}>
            <th scope="row" title={caller.name}>
              {caller.kind === "web" ? <a href={link({ ...all, transaction: caller.name })}>{caller.name}</a> : caller.name}
              {caller.repetitions > 0 && (
                <Badge kind="bad" title={t("statement.nPlusOne", { n: format.integer(caller.repetitions) })}>
                  N+1
                </Badge>
              )}
            </th>
            <td>
              <ShareBar part={whole > 0 ? caller.seconds / whole : 0}>{format.duration(caller.seconds)}</ShareBar>
            </td>
            <td>{format.integer(caller.calls)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
