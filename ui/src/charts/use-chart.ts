// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from "preact/hooks";
import type { RefObject } from "preact";
import type { EChartsOption } from "echarts";

import type { Chart } from "./engine";

/** An ECharts instance in `element`, always showing `option`; null until the engine is loaded. */
export function useChart(element: RefObject<HTMLDivElement | null>, option: EChartsOption, asSvg: boolean, onDrawn: () => void): Chart | null {
  const [chart, setChart] = useState<Chart | null>(null);

  useEffect(() => {
    let made: Chart | null = null;
    let gone = false;
    void import("./engine").then(({ createChart }) => {
      if (gone || element.current === null) return;
      made = createChart(element.current, asSvg);
      setChart(made);
    });
    return () => {
      gone = true;
      made?.dispose();
      setChart(null);
    };
  }, [asSvg]);

  useEffect(() => {
    if (chart === null || element.current === null) return undefined;
    const observer = new ResizeObserver(() => chart.resize());
    observer.observe(element.current);
    chart.on("finished", onDrawn);
    return () => observer.disconnect();
  }, [chart]);

  useEffect(() => {
    chart?.setOption(option, { replaceMerge: ["series"] });
  }, [chart, option]);

  return chart;
}
