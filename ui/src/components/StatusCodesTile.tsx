// SPDX-License-Identifier: Apache-2.0
import { statusColour, statusShares } from "../charts/status-codes";
import type { StatusCodes } from "../api/types";
import { useWords } from "../i18n/words";

export function StatusCodesTile({ codes }: { codes: StatusCodes }) {
  const { t, format } = useWords();
  const shares = statusShares(codes);
  const all = shares.reduce((sum, share) => sum + share.requests, 0);

  return (
    <section class="tile tile-status-codes" data-testid="tile-status-codes" data-codes={JSON.stringify(codes)} aria-label={t("tile.statusCodes")}>
      <h2>{t("tile.statusCodes")}</h2>
      <div class="status-bar" aria-hidden="true">
        {shares.map(({ name, requests }) => requests > 0 && <i key={name} style={{ flexGrow: requests / all, background: `var(--${statusColour(name)})` }} />)}
      </div>
      <dl class="status-list">
        {shares.map(({ name, requests, codes: single }) => (
          <div key={name} data-testid={`status-${name}`} data-value={requests} title={single.map(([code, n]) => `${code}: ${format.integer(n)}`).join("\n")}>
            <dt>
              <i class="swatch" style={{ background: `var(--${statusColour(name)})` }} />
              {name}
            </dt>
            <dd>{format.integer(requests)}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
