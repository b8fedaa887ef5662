# SPDX-License-Identifier: Apache-2.0
"""Snapshot to Prometheus text: classic histograms, names by the OpenTelemetry rule, the resource as `target_info`.

What repeats is written once: the text of a label value, the order of a label set, what all buckets of a point begin
with, and the bounds of the buckets.

Source: Prometheus, "Exposition formats", text format 0.0.4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from itertools import accumulate
from math import inf, isfinite, isnan
from operator import itemgetter

from wsgiapm.aggregate.histogram import classic
from wsgiapm.aggregate.snapshot import (
    Attributes,
    ExplicitHistogramPoint,
    Family,
    HistogramPoint,
    NumberPoint,
    Point,
    Snapshot,
)
from wsgiapm.exporters.names import label_name, metric_name

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_TYPES = {"sum": "counter", "updown": "gauge", "gauge": "gauge", "histogram": "histogram"}


def render(snapshot: Snapshot) -> bytes:
    """Return the text of all families that have points, each with its points sorted by their labels.

    Two families whose names become the same cannot both be shown: the first one is, and a comment names the other.
    """
    labels = _Labels()
    target = Family("target.info", "", "Target metadata", "gauge", (NumberPoint(snapshot.resource, 1),))
    owners: dict[str, str] = {}
    written = BytesIO()  # piece by piece: what is written at once is in memory three times, and new memory is slow
    for family in (target, *snapshot.families):
        if not family.points:
            continue
        name = metric_name(family.name, family.unit, family.kind)
        series = _series_names(name, family)
        owner = next((owners[each] for each in series if each in owners), None)
        if owner is None:
            owners.update(dict.fromkeys(series, family.name))
            lines = _family(name, family, labels)
        else:
            lines = iter([f"# wsgiapm: {family.name!a} is left out: {owner!a} has its Prometheus name {name}\n"])
        written.writelines(line.encode("utf-8", "replace") for line in lines)
    return written.getvalue()


def _series_names(name: str, family: Family) -> tuple[str, ...]:
    if family.kind == "histogram":
        return (name, f"{name}_bucket", f"{name}_sum", f"{name}_count")
    return (name,)


def _family(name: str, family: Family, labels: _Labels) -> Iterator[str]:
    description = family.description.replace("\\", r"\\").replace("\n", r"\n")
    yield f"# HELP {name} {description}\n# TYPE {name} {_TYPES[family.kind]}\n"
    points = sorted([(labels.text(point.attributes), point) for point in family.points], key=itemgetter(0))
    places: dict[tuple[float, ...], list[str]] = {}
    for text, point in points:
        if isinstance(point, NumberPoint):
            yield f"{name}{{{text}}} {_number(point.value)}\n" if text else f"{name} {_number(point.value)}\n"
            continue
        bounds, counts = _buckets(point, family.bounds)
        if bounds not in places:
            places[bounds] = [f'le="{_number(bound)}"}} ' for bound in (*bounds, inf)]
        whole, each = (f"{{{text}}}", f"{{{text},") if text else ("", "{")
        # What begins the line of every bucket is put before each by joining.
        buckets = [f"{place}{count}\n" for place, count in zip(places[bounds], counts, strict=True)]
        last = f"{buckets.pop()}{name}_sum{whole} {_number(point.sum)}\n{name}_count{whole} {counts[-1]}\n"
        yield f"{name}_bucket{each}".join(("", *buckets, last))


def _buckets(point: Point, bounds: tuple[float, ...]) -> tuple[tuple[float, ...], Sequence[int]]:
    """Return the bounds of a histogram point and its cumulative counts, the last of them for +Inf."""
    if isinstance(point, HistogramPoint):
        return bounds, classic(point.cells, bounds)
    assert isinstance(point, ExplicitHistogramPoint)
    return point.bounds, tuple(accumulate(point.counts))


def _number(value: float) -> str:
    if isinstance(value, int) or isfinite(value):
        return repr(value)
    if isnan(value):
        return "NaN"
    return "+Inf" if value > 0 else "-Inf"


class _Labels:
    """Writes label sets, remembering the text of every value and the order of every set of names."""

    def __init__(self) -> None:
        self._orders: dict[tuple[str, ...], Callable[..., str]] = {}
        self._values = _Values()

    def text(self, attributes: Attributes) -> str:
        """Return `name="value",…`, or an empty text when there are no attributes."""
        if not attributes:
            return ""
        names, values = zip(*attributes, strict=True)
        order = self._orders.get(names)
        if order is None:
            order = self._orders[names] = _order(names)
        return order(*map(self._values.__getitem__, values))


class _Values(dict[str | int, str]):
    """The text of a label value, written when first asked for."""

    def __missing__(self, value: str | int) -> str:
        text = str(value).replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
        self[value] = text
        return text


def _order(names: Sequence[str]) -> Callable[..., str]:
    """Return what writes the values of attributes called `names` as labels, sorted by label.

    The values of attributes whose label is the same are joined by semicolons, as the specification has it.
    """
    places: dict[str, list[str]] = {}
    for number, name in enumerate(names):
        places.setdefault(label_name(name), []).append(f"{{{number}}}")
    return ",".join([f'{label}="{";".join(places[label])}"' for label in sorted(places)]).format
