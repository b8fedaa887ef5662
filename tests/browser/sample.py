# SPDX-License-Identifier: Apache-2.0
"""The numbers of a small shop, made up and always the same: what the stub serves and what the tests expect on the page."""

from __future__ import annotations

import math

APPS: tuple[dict[str, object], ...] = (
    {"name": "shop", "environments": ["production", "staging"], "instances": 2, "last_seen": 1_790_000_000.0},
    {"name": "billing", "environments": [""], "instances": 1, "last_seen": 1_780_000_000.0},
)

# name: requests, errors, mean seconds, apdex
ROUTES: dict[str, tuple[int, int, float, float | None]] = {
    "/products/": (6_120, 0, 0.0841, 0.97),
    "/products/<int:pk>/": (4_903, 3, 0.0472, 0.99),
    "/api/ping": (5_001, 0, 0.0009, 1.0),
    "/search": (1_760, 12, 0.1630, 0.91),
    "/checkout/": (1_204, 41, 0.3384, 0.82),
    "/reports/slow/": (310, 0, 1.2044, 0.55),
    "/export.csv": (205, 0, 0.6120, 0.74),
    "/partners/stock": (377, 28, 0.4210, 0.78),
    "/downloads/<path:name>": (70, 0, 0.0112, 1.0),
    "(not found)": (50, 0, 0.0031, 1.0),
}
REQUESTS = sum(requests for requests, *_ in ROUTES.values())
ERRORS = sum(errors for _, errors, *_ in ROUTES.values())
APDEX_T = 0.5
POINTS = 120


def codes_of(name: str, factor: int = 1) -> dict[str, int]:
    """Status codes of one route; their sum is its number of requests."""
    requests, errors, *_ = ROUTES[name]
    if name == "(not found)":
        return {"404": requests * factor}
    moved = requests // 3 if name == "/checkout/" else 0
    codes = {"200": requests - errors - moved, "302": moved, "500": errors}
    return {code: count * factor for code, count in codes.items() if count}


def durations(mean: float) -> dict[str, float]:
    """Quantiles as a log-normal distribution has them."""
    return {"mean": mean, "p50": mean * 0.7, "p75": mean * 1.2, "p95": mean * 2.9, "p99": mean * 5.2, "max": mean * 9.1}


COMPONENTS = {
    "python": 0.31,
    "template": 0.12,
    "db": 0.38,
    "cache": 0.0,
    "external": 0.16,
    "messaging": 0.0,
    "response": 0.03,
}

# SQL: calls, seconds, callers, who sends it again and again, where it stands.
STATEMENTS: dict[str, tuple[int, float, dict[str, float], str, tuple[str, int, str] | None]] = {
    "SELECT * FROM goods WHERE category_id = ? ORDER BY name LIMIT ?": (
        6_120,
        301.4,
        {"/products/": 1.0},
        "",
        ("/srv/shop/goods/views.py", 48, "goods.views.product_list"),
    ),
    "SELECT price, currency FROM prices WHERE product_id = ?": (
        45_210,
        97.2,
        {"/products/": 0.8, "/search": 0.15, "/checkout/": 0.05},
        "/products/",
        ("/srv/shop/goods/models.py", 112, "goods.models.Product.price"),
    ),
    "UPDATE orders SET status = ?, paid_at = ? WHERE id = ?": (
        1_204,
        66.0,
        {"/checkout/": 0.7, "send_invoices": 0.3},
        "",
        None,
    ),
    "INSERT INTO order_lines (order_id, product_id, amount) VALUES (?)": (1_204, 12.9, {"/checkout/": 1.0}, "", None),
    "SELECT count(*) FROM orders WHERE created_at BETWEEN ? AND ?": (310, 8.1, {"/reports/slow/": 1.0}, "", None),
}
PLAN = """-> Limit: 20 row(s)  (cost=812 rows=20)
    -> Sort: goods.`name`, limit input to 20 row(s) per chunk
        -> Table scan on goods  (cost=812 rows=7901)"""


def transactions_of(start: float, end: float, *, factor: int = 1) -> list[dict[str, object]]:
    """Every route, the largest share first."""
    total = sum(requests * mean for requests, _, mean, _ in ROUTES.values())
    minutes = (end - start) / 60
    rows: list[dict[str, object]] = []
    for name, (requests, errors, mean, apdex) in ROUTES.items():
        row = {"name": name, "kind": "web", "requests": requests * factor, "errors": errors * factor, "aborted": 0}
        figures = {
            "wall_clock_share": requests * mean / total,
            "apdex": apdex,
            "throughput_rpm": requests * factor / minutes,
        }
        parts = {
            "status_codes": codes_of(name, factor),
            "methods": {"GET": requests * factor},
            "duration": durations(mean),
            "breakdown": {name: mean * share for name, share in COMPONENTS.items()},
        }
        rows.append(row | figures | parts)
    return sorted(rows, key=lambda row: -float(str(row["wall_clock_share"])))


def summary_of(
    app: str, transaction: str | None, start: float, end: float, *, factor: int = 1, late: int = 0
) -> dict[str, object]:
    """The window's totals: of one route, or of all."""
    names = [transaction] if transaction else list(ROUTES)
    requests = sum(ROUTES[name][0] for name in names) * factor
    codes: dict[str, int] = {}
    for name in names:
        for code, count in codes_of(name, factor).items():
            codes[code] = codes.get(code, 0) + count
    mean = sum(ROUTES[name][0] * ROUTES[name][2] for name in names) * factor / requests
    return {
        "app": app,
        "from": start,
        "to": end,
        "requests": requests,
        "errors": sum(ROUTES[name][1] for name in names) * factor,
        "aborted": 0,
        "late": late,
        "throughput_rpm": requests / ((end - start) / 60),
        "apdex": 0.93,
        "apdex_t": APDEX_T,
        "status_codes": codes,
        "duration": durations(mean),
        "last_seen": end - 4,
    }


def timeseries_of(
    metric: str, transaction: str | None, start: float, end: float, *, late: bool = False
) -> dict[str, object]:
    """A day of waves with one incident, squeezed into the window."""
    step = max(1, math.ceil((end - start) / POINTS))
    scale = ROUTES[transaction][0] / REQUESTS if transaction else 1.0
    points = []
    for index in range(math.ceil((end - start) / step)):
        at = index / POINTS
        load = scale * step * (9 + 3 * math.sin(at * 7) + 1.4 * math.sin(at * 61) + 0.8 * math.sin(at * 173))
        incident = 2.3 if 0.62 < at < 0.74 else 1.0
        speed = incident * (0.075 + 0.02 * math.sin(at * 5 + 1) + 0.006 * math.sin(at * 97))
        values = _values(metric, load, speed, step)
        points.append({"t": start + index * step, "values": values, "late": late and 0.2 < at < 0.3})
    return {"metric": metric, "step": step, "points": points}


def _values(metric: str, load: float, speed: float, step: float) -> dict[str, float | None]:
    requests = round(load)
    errors = round(load * (0.02 if speed > 0.14 else 0.003))
    if metric in ("apdex", "breakdown"):
        parts = {name: speed * share for name, share in COMPONENTS.items()}
        return {"apdex": 0.97 - speed} if metric == "apdex" else parts if requests else {}
    if metric == "throughput":
        return {"requests": requests, "rpm": requests * 60 / step}
    if metric == "duration":
        return {"mean": speed, "p50": speed * 0.7, "p95": speed * 2.4 if requests else None, "p99": speed * 4.4}
    if metric == "errors":
        return {"errors": errors, "rate": errors / requests if requests else 0}
    if metric == "status_codes":
        return {"200": round(load * 0.86), "302": round(load * 0.09), "404": round(load * 0.04), "500": errors}
    return {
        repr(2.0 ** (eighth / 8)): count
        for eighth in range(-80, 24)
        if (count := round(load * 0.4 * math.exp(-(((eighth / 8 - math.log2(speed * 0.7)) / 1.5) ** 2))))
    }


def statements_of(end: float, *, factor: int = 1) -> dict[str, object]:
    """The answer of /api/v1/sql, the statement that takes the most time first."""
    rows = [_statement(index, sql, end, factor) for index, sql in enumerate(STATEMENTS)]
    return {"statements": rows, "count": len(rows), "seconds": sum(row[1] for row in STATEMENTS.values()) * factor}


def operations_of(end: float, *, factor: int = 1) -> list[dict[str, object]]:
    """The same, by operation and table."""
    keys = ("system", "operation", "namespace", "collection", "server_address", "server_port")
    figures = ("calls", "errors", "seconds", "duration")
    rows = [_statement(index, sql, end, factor) for index, sql in enumerate(STATEMENTS)]
    return [{key: row[key] for key in (*keys, *figures)} | {"callers": row["transactions"]} for row in rows]


def _statement(index: int, sql: str, end: float, factor: int) -> dict[str, object]:
    calls, seconds, callers, repeated, place = STATEMENTS[sql]
    words = sql.replace("SELECT count(*) FROM", "SELECT FROM").split()
    table = words[words.index("FROM") + 1] if "FROM" in words else words[2 if words[0] == "INSERT" else 1]
    site = place and {
        "file": place[0],
        "line": place[1],
        "function": place[2],
        "reason": "n_plus_one" if repeated else "slow",
        "transaction": repeated or next(iter(callers)),
        "t": end - 7200,
        "calls": 24 if repeated else None,
        "seconds": 0.0516 if repeated else None,
    }
    return {
        "sql": sql,
        "fingerprint": f"{index:016x}",
        "system": "mysql",
        "operation": words[0],
        "namespace": "shop",
        "collection": table,
        "server_address": "db1.example",
        "server_port": 3306,
        "calls": calls * factor,
        "errors": 3 * factor if words[0] == "UPDATE" else 0,
        "seconds": seconds * factor,
        "duration": durations(seconds / calls),
        "transactions": [
            {
                "name": name,
                "kind": "web" if "/" in name else "background",
                "calls": round(calls * share) * factor,
                "seconds": seconds * share * factor,
                "repetitions": 5_804 * factor if name == repeated else 0,
            }
            for name, share in callers.items()
        ],
        "n_plus_one": bool(repeated),
        "repetitions": 5_804 * factor if repeated else 0,
        "site": site,
        "sites": [site] if site else [],
        "plan": PLAN if index == 0 else None,
    }
