# SPDX-License-Identifier: Apache-2.0
"""Snapshot to Prometheus text: classic histograms, names by the OpenTelemetry rule, the resource as `target_info`.

What repeats is written once: the text of a label, and all lines of a histogram but for its labels and counts.

Source: Prometheus, "Exposition formats", text format 0.0.4.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from itertools import accumulate, islice
from math import inf, isfinite, isnan
from operator import itemgetter

from wsgiapm.aggregate.histogram import classic_buckets
from wsgiapm.aggregate.schema import OTLP_ONLY
from wsgiapm.aggregate.snapshot import Attributes, Family, HistogramPoint, NumberPoint, Snapshot
from wsgiapm.exporters.names import label_name, metric_name

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_HERE = "\0"
_LINES_AT_ONCE = 100
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
        if not family.points or family.name in OTLP_ONLY:
            continue
        name = metric_name(family.name, family.unit, family.kind)
        series = _series_names(name, family)
        owner = next((owners[each] for each in series if each in owners), None)
        if owner is None:
            owners.update(dict.fromkeys(series, family.name))
            lines = _family(name, family, labels)
        else:
            lines = iter([f"# wsgiapm: {family.name!a} is left out: {owner!a} has its Prometheus name {name}\n"])
        while some := "".join(islice(lines, _LINES_AT_ONCE)):
            written.write(some.encode("utf-8", "replace"))
    return written.getvalue()


def _series_names(name: str, family: Family) -> tuple[str, ...]:
    if family.kind == "histogram":
        return (name, f"{name}_bucket", f"{name}_sum", f"{name}_count")
    return (name,)


def _family(name: str, family: Family, labels: _Labels) -> Iterator[str]:
    description = family.description.replace("\\", r"\\").replace("\n", r"\n")
    yield f"# HELP {name} {description}\n# TYPE {name} {_TYPES[family.kind]}\n"
    points = sorted([(labels.text(point.attributes), point) for point in family.points], key=itemgetter(0))
    buckets, form = classic_buckets(family.bounds), _Form(name, family.bounds)
    for text, point in points:
        if isinstance(point, NumberPoint):
            value = point.value
            shown = repr(value) if type(value) is int else _number(value)
            yield f"{name}{{{text}}} {shown}\n" if text else f"{name} {shown}\n"
        elif isinstance(point, HistogramPoint):
            yield form.fill(text, buckets.cumulate(zip(point.uppers, point.counts, strict=True)), point.sum)
        else:
            yield _Form(name, point.bounds).fill(text, list(accumulate(point.counts)), point.sum)


class _Form:
    """The lines of a histogram with these bounds, to be filled in with labels, cumulative counts and sum."""

    def __init__(self, name: str, bounds: tuple[float, ...]) -> None:
        starts = [f'{name}_bucket{{{_HERE},le="{_number(bound)}"}} ' for bound in (*bounds, inf)]
        starts += [f"{name}_sum{{{_HERE}}} ", f"{name}_count{{{_HERE}}} "]
        # Between them there is room for the values.
        self._pieces = [starts[0], *(piece for start in starts[1:] for piece in ("", f"\n{start}")), "", "\n"]

    def fill(self, text: str, counts: list[int], total: float) -> str:
        """Return the lines with these labels."""
        pieces = self._pieces
        pieces[1::2] = [*map(repr, counts), _number(total), repr(counts[-1])]
        lines = "".join(pieces)
        if text:
            return lines.replace(_HERE, text)
        return lines.replace(f"{_HERE},", "").replace(f"{{{_HERE}}}", "")


def _number(value: float) -> str:
    if isinstance(value, int) or isfinite(value):
        return repr(value)
    if isnan(value):
        return "NaN"
    return "+Inf" if value > 0 else "-Inf"


class _Labels(dict[tuple[str, str | int], str]):
    """The text of every label, written when first asked for, and of label sets.

    As long as labels sort as the attributes they are made from, a set is the texts of its attributes one after another.
    """

    def __init__(self) -> None:
        super().__init__()
        self._names: list[str] = []
        self._in_order = True

    def __missing__(self, attribute: tuple[str, str | int]) -> str:
        name, value = attribute
        if name not in self._names:
            self._names = sorted([*self._names, name])
            labels = [label_name(each) for each in self._names]
            self._in_order = labels == sorted(set(labels))
        self[attribute] = text = f'{label_name(name)}="{_escape(value)}"'
        return text

    def text(self, attributes: Attributes) -> str:
        """Return `name="value",…`, sorted by label, or an empty text when there are no attributes.

        The values of attributes whose label is the same are joined by semicolons, as the specification has it.
        """
        text = ",".join([self[attribute] for attribute in attributes])
        if self._in_order:
            return text
        values: dict[str, list[str]] = {}
        for name, value in attributes:
            values.setdefault(label_name(name), []).append(_escape(value))
        return ",".join([f'{label}="{";".join(values[label])}"' for label in sorted(values)])


def _escape(value: str | int) -> str:
    return str(value).replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
