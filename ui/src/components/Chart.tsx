// SPDX-License-Identifier: Apache-2.0
import { useRef } from "preact/hooks";
import type { EChartsOption } from "echarts";

import { useChart } from "../charts/use-chart";
import { useCrosshair } from "../charts/use-crosshair";
import { useDragZoom } from "../charts/use-drag-zoom";
import { between } from "../state/range";
import { useNavigation } from "../state/use-address";

interface Props {
  name: string;
  /** What the picture says, for those who do not see it. */
  summary: string;
  option: EChartsOption;
  onDrawn: (name: string) => void;
}

export function Chart({ name, summary, option, onDrawn }: Props) {
  const { address, go } = useNavigation();
  const area = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLDivElement>(null);
  const zoom = useRef((from: number, to: number) => go({ range: between(from, to) }));
  const chart = useChart(canvas, option, address.test, () => onDrawn(name));
  const crosshair = useCrosshair(chart, name);
  const selection = useDragZoom(area, chart, zoom.current);

  return (
    <div class="chart" ref={area} data-testid={`chart-${name}`}>
      <div class="chart-canvas" ref={canvas} role="img" aria-label={summary} />
      {crosshair !== null && <div class="crosshair" style={{ left: `${crosshair}px` }} />}
      {selection !== null && <div class="selection" style={{ left: `${selection.left}px`, width: `${selection.width}px` }} />}
    </div>
  );
}
