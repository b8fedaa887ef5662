// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from "preact/hooks";
import type { RefObject } from "preact";

import type { Chart } from "./engine";

export interface Selection {
  left: number;
  width: number;
}

/** Less is a click with an unsteady hand. */
const SHORTEST_DRAG = 6;

/** Calls `onZoom` with the epoch seconds a mouse was dragged over; gives what to draw meanwhile. A finger scrolls the page instead; Esc cancels. */
export function useDragZoom(element: RefObject<HTMLDivElement | null>, chart: Chart | null, onZoom: (from: number, to: number) => void): Selection | null {
  const [selection, setSelection] = useState<Selection | null>(null);

  useEffect(() => {
    const area = element.current;
    if (chart === null || area === null) return undefined;
    let start: number | null = null;
    let end = 0;

    const position = (event: PointerEvent): number => event.clientX - area.getBoundingClientRect().left;
    const inside = (x: number): boolean => chart.containPixel("grid", [x, area.clientHeight / 2]);
    const stop = (): void => {
      start = null;
      setSelection(null);
    };
    const begin = (event: PointerEvent): void => {
      const x = position(event);
      if (event.pointerType === "touch" || event.button !== 0 || !inside(x)) return;
      event.preventDefault();
      area.setPointerCapture(event.pointerId);
      start = end = x;
    };
    const drag = (event: PointerEvent): void => {
      if (start === null) return;
      const x = position(event);
      if (inside(x)) end = x;
      chart.dispatchAction({ type: "hideTip" });
      setSelection({ left: Math.min(start, end), width: Math.abs(end - start) });
    };
    const finish = (): void => {
      if (start !== null && Math.abs(end - start) >= SHORTEST_DRAG) onZoom(seconds(chart, Math.min(start, end)), seconds(chart, Math.max(start, end)));
      stop();
    };
    const cancel = (event: KeyboardEvent): void => {
      if (event.key === "Escape") stop();
    };

    area.addEventListener("pointerdown", begin);
    area.addEventListener("pointermove", drag);
    area.addEventListener("pointerup", finish);
    area.addEventListener("pointercancel", stop);
    addEventListener("keydown", cancel);
    return () => {
      area.removeEventListener("pointerdown", begin);
      area.removeEventListener("pointermove", drag);
      area.removeEventListener("pointerup", finish);
      area.removeEventListener("pointercancel", stop);
      removeEventListener("keydown", cancel);
    };
  }, [chart, onZoom]);

  return selection;
}

function seconds(chart: Chart, x: number): number {
  return Number(chart.convertFromPixel({ xAxisIndex: 0 }, x)) / 1000;
}
