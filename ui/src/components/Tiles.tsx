// SPDX-License-Identifier: Apache-2.0
import { ApdexBadge } from "./ApdexBadge";
import { Sparkline } from "./Sparkline";
import { StatusCodesTile } from "./StatusCodesTile";
import { Tile } from "./Tile";
import type { Report } from "../api/report";
import type { Metric } from "../api/types";
import { NOTHING } from "../i18n/format";
import { useWords } from "../i18n/words";
import { serverNow } from "../state/clock";

export function Tiles({ report }: { report: Report }) {
  const { t, format } = useWords();
  const { summary, series } = report;
  const { duration, requests, errors, aborted } = summary;
  const [p95, p95Unit] = format.durationParts(duration.p95);
  const rate = requests > 0 ? errors / requests : null;
  const history = (metric: Metric, name: string): (number | null)[] => series[metric].points.map((point) => point.values[name] ?? null);
  const failures = { errors: format.integer(errors), aborted: format.integer(aborted) };

  return (
    <div class="tiles">
      <Tile
        name="p95"
        label={t("tile.p95")}
        raw={duration.p95}
        value={p95}
        unit={p95Unit}
        detail={t("tile.p95.detail", { mean: format.duration(duration.mean), p99: format.duration(duration.p99) })}
      >
        <Sparkline values={history("duration", "p95")} colour="p95" />
      </Tile>
      <Tile
        name="throughput"
        label={t("tile.throughput")}
        raw={summary.throughput_rpm}
        value={format.number(summary.throughput_rpm)}
        unit={t("tile.throughput.unit")}
        detail={t("tile.throughput.detail", { n: format.number(summary.throughput_rpm / 60) })}
      >
        <Sparkline values={history("throughput", "rpm")} colour="accent" />
      </Tile>
      <Tile
        name="apdex"
        label={t("tile.apdex")}
        raw={summary.apdex}
        value={format.apdex(summary.apdex)}
        detail={t("tile.apdex.t", { t: format.duration(summary.apdex_t) })}
        badge={<ApdexBadge apdex={summary.apdex} />}
      >
        <Sparkline values={history("apdex", "apdex")} colour="s2" />
      </Tile>
      <Tile
        name="error-rate"
        label={t("tile.errorRate")}
        raw={rate}
        value={rate === null ? NOTHING : format.share(rate)}
        detail={t(aborted > 0 ? "tile.errorRate.aborted" : "tile.errorRate.detail", failures)}
      >
        <Sparkline values={history("errors", "rate")} colour="s5" />
      </Tile>
      <Tile
        name="requests"
        label={t("tile.requests")}
        raw={requests}
        value={format.integer(requests)}
        detail={summary.last_seen === null ? NOTHING : t("tile.requests.detail", { ago: format.ago(serverNow() - summary.last_seen) })}
      >
        <Sparkline values={history("throughput", "requests")} colour="accent" />
      </Tile>
      <StatusCodesTile codes={summary.status_codes} />
    </div>
  );
}
