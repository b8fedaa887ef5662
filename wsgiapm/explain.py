# SPDX-License-Identifier: Apache-2.0
"""Explaining and logging slow statements: by the harvest thread, on connections of its own, never by a request.

The plan of a statement is asked for once an hour on the whole machine: who asks holds a lock for so long. It leaves the
machine without literals, unless `record_sql` is `raw`; with `log_sql` neither statement nor plan leaves it at all.
"""

from __future__ import annotations

import json
from collections import deque

from wsgiapm import clock, log, slow_statements
from wsgiapm.aggregate import layout, schema
from wsgiapm.aggregate.instance import Instance
from wsgiapm.config import Settings
from wsgiapm.query_plan import ask, is_explainable, without_literals
from wsgiapm.slow_statements import Statement
from wsgiapm.span import Operation, identify

EVENT = "wsgiapm.sql.plan"
_HOUR = 3600 * 1_000_000_000
_WAITING_AT_MOST = 32
_CLAIMS_AT_MOST = 500
_LONGEST_LOGGED = 2000


class Explainer:
    """Keeps the slow statements of this process until the next round of its harvest thread."""

    def __init__(self, instance: Instance, *, explain: bool, raw: bool, log_sql: bool) -> None:
        """`raw`: plans are sent as they are; `log_sql`: statements and plans are logged, and not sent."""
        self._instance = instance
        self._explain = explain
        self._raw = raw
        self._log_sql = log_sql
        self._waiting: deque[tuple[Operation, Statement]] = deque(maxlen=_WAITING_AT_MOST)
        self._claims: dict[str, int] = {}
        if explain or log_sql:
            slow_statements.listen(self.take)

    def take(self, operation: Operation, statement: Statement) -> None:
        """Keep a statement; of too many the oldest are forgotten."""
        self._waiting.append((operation, statement))

    def work_off(self) -> None:
        """Log and explain what has been taken. For the harvest thread: the database may let one wait."""
        self._release()
        while self._waiting:
            operation, statement = self._waiting.popleft()
            if self._log_sql:
                log.info("slow SQL %s: %s", identify(operation), statement.text[:_LONGEST_LOGGED])
            if self._explain and is_explainable(statement) and self._claim(identify(operation)):
                self._tell(operation, statement)

    def _tell(self, operation: Operation, statement: Statement) -> None:
        known = identify(operation)
        try:
            plan = ask(statement)
        except Exception as error:  # a gate: what a driver raises is its own
            log.once(f"plan {known}", "INFO", "no plan of %s: %s", known, type(error).__name__)
            return
        if self._log_sql:
            log.info("plan of %s: %s", known, plan[:_LONGEST_LOGGED])
            return
        if not self._raw:
            plan = without_literals(plan, statement.system)
        attributes = {schema.OPERATION: known, "plan": plan}
        payload = json.dumps({"event": EVENT, "body": f"the plan of {operation.name}", "attributes": attributes})
        if self._instance.journal is not None:
            self._instance.journal.append(layout.SQL_EVENT, payload.encode())

    def _claim(self, operation: str) -> bool:
        """Tell whether it is ours to explain now, for the next hour."""
        if operation in self._claims or len(self._claims) >= _CLAIMS_AT_MOST:
            return False
        directory = self._instance.directory
        if directory is not None and not directory.try_lock(_lock_of(operation)):
            return False
        self._claims[operation] = clock.monotonic_ns()
        return True

    def _release(self) -> None:
        now, directory = clock.monotonic_ns(), self._instance.directory
        for operation, since in list(self._claims.items()):
            if now - since >= _HOUR:
                del self._claims[operation]
                if directory is not None:
                    directory.unlock(_lock_of(operation))


def make_explainer(instance: Instance, settings: Settings) -> Explainer:
    """Return the explainer the settings describe."""
    raw = settings.uploaded_sql == "raw"
    return Explainer(instance, explain=settings.explain_sql, raw=raw, log_sql=settings.log_sql)


def _lock_of(operation: str) -> int:
    return layout.PLAN_LOCKS + int(operation[:6], 16)
