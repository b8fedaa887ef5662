# SPDX-License-Identifier: Apache-2.0
"""OpenTelemetry names as Prometheus names: metrics by name, unit and kind, labels by attribute.

Source: OpenTelemetry specification, "Prometheus and OpenMetrics Compatibility", metric metadata and metric attributes.
"""

from __future__ import annotations

import re
from functools import lru_cache

from wsgiapm.aggregate.snapshot import Kind

_UNITS = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "TiBy": "tebibytes",
    "kBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "%": "percent",
}
_PER = {"s": "second", "min": "minute", "h": "hour", "d": "day", "wk": "week", "mo": "month", "a": "year"}

_NOT_IN_A_NAME = re.compile("[^a-zA-Z0-9]+")
_ANNOTATION = re.compile(r"\{[^}]*\}")
_LABEL = re.compile("(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
# Prometheus writes this label itself, on the buckets of a histogram.
_RESERVED_LABEL = "le"
# Names are few, and each is asked for again in every label.
_KEPT = 500


@lru_cache(maxsize=_KEPT)
def metric_name(name: str, unit: str, kind: Kind) -> str:
    """Return the name of a family: words joined by underscores, the unit appended, `_total` for monotonic sums.

    Args:
        name: the OTLP name, for example `http.server.request.duration`.
        unit: in UCUM, for example `s`; an annotation in braces is dropped.
        kind: that of the family; only a gauge of unit `1` becomes a `_ratio`.
    """
    words = _words(name)
    for word in _unit_words(unit):
        if word not in words:
            words.append(word)
    if kind == "sum":
        words = [*(word for word in words if word != "total"), "total"]
    elif kind == "gauge" and unit == "1":
        words = [*(word for word in words if word != "ratio"), "ratio"]
    joined = "_".join(words) or "_"
    return f"_{joined}" if joined[0].isdigit() else joined


@lru_cache(maxsize=_KEPT)
def label_name(attribute: str) -> str:
    """Return the label of an attribute; one that Prometheus takes as it is stays as it is."""
    if attribute == _RESERVED_LABEL:
        return f"exported_{attribute}"
    if _LABEL.fullmatch(attribute):
        return attribute
    label = _NOT_IN_A_NAME.sub("_", attribute) or "_"
    return f"key_{label}" if label[0].isdigit() else label


def _words(text: str) -> list[str]:
    return [word for word in _NOT_IN_A_NAME.split(text) if word]


def _unit_words(unit: str) -> list[str]:
    amount, _, per = _ANNOTATION.sub("", unit).strip().partition("/")
    words = [] if amount == "1" else _words(_UNITS.get(amount, amount))
    return [*words, "per", *_words(_PER.get(per, per))] if per else words
