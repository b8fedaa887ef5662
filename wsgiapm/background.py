# SPDX-License-Identifier: Apache-2.0
"""Transactions that are no requests: `background_task`, and what job queues begin and end by hand.

The first one starts the agent in its process, so that nothing else has to. Part of the agent's gate: whatever goes wrong
in us, the task runs as it would have.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from contextvars import ContextVar, Token
from functools import wraps
from importlib import import_module
from types import TracebackType
from typing import Any, TypeVar, cast

from wsgiapm import agent
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.in_flight import tag
from wsgiapm.aggregate.schema import FAILURE, RETRY, SUCCESS, TASK_CODE
from wsgiapm.clock import monotonic_ns
from wsgiapm.own_span import span
from wsgiapm.recorder import Recorder
from wsgiapm.transaction import CURRENT, Transaction

__all__ = ["FAILURE", "RETRY", "SUCCESS", "Run", "background_task", "begin", "end", "prepare_to_fork"]

# What a thread of ours imports when it first uploads. Were it just doing so at a fork, the child could never import it.
_IMPORTED_LATE = ("psutil", "email.utils", "urllib3.exceptions", "requests")
_METHOD = tag(0, TASK_CODE, 0)
_Function = TypeVar("_Function", bound=Callable[..., Any])


class Run:
    """One run of a task. `transaction` is None where nothing is recorded."""

    __slots__ = ("outer", "recorder", "span", "token", "transaction")

    def __init__(self) -> None:
        """Begin with nothing recorded."""
        self.transaction: Transaction | None = None
        self.recorder: Recorder | None = None
        self.token: Token[Transaction | None] | None = None
        self.span: span | None = None
        self.outer: Run | None = None


def begin(name: str, waited: int = 0) -> Run:
    """Begin a run of the task `name`; `end` has to be called in the same context.

    Where a transaction runs already it becomes a span of that one. `waited` is how long it had been in a queue, in
    nanoseconds.
    """
    run = Run()
    try:
        outer = CURRENT.get()
        # One that another process has begun, before a fork, is none of ours.
        if outer is not None and outer.recorder is not None and outer.recorder in agent.recorders():
            run.transaction, run.span = outer, span(name)
            run.span.__enter__()
        else:
            _begin_transaction(run, name, waited)
    except Exception:  # a gate
        agent.failed(layout.AGENT_ERRORS)
    return run


def prepare_to_fork() -> None:
    """Start the agent in a process that forks one for each task: that one uploads, the others have no time to."""
    source = agent.any_agent()
    if source.start() is not None and source.settings.endpoint:
        for module in _IMPORTED_LATE:
            import_module(module)


def _begin_transaction(run: Run, name: str, waited: int) -> None:
    recorder = agent.any_agent().start()
    if recorder is None:
        return
    recorder.instance.reserve_tasks()
    transaction = Transaction()
    transaction.start, transaction.method = monotonic_ns(), _METHOD
    transaction.name = name
    recorder.begin(transaction, "")
    run.transaction, run.recorder = transaction, recorder
    run.token = CURRENT.set(transaction)
    if waited > 0:
        recorder.outcomes.record_wait(str(transaction.name), waited)


def end(run: Run, outcome: int) -> None:
    """End a run: it went well (`SUCCESS`), failed (`FAILURE`), or failed and is going to be tried again (`RETRY`)."""
    recorder, transaction = run.recorder, run.transaction
    try:
        if run.span is not None:
            run.span.__exit__(None, None, None)
        elif recorder is not None and transaction is not None:
            _step_out(run)
            transaction.status = outcome
            _finish(recorder, transaction)
    except Exception:  # a gate
        agent.failed(layout.AGENT_ERRORS)


def _finish(recorder: Recorder, transaction: Transaction) -> None:
    if transaction.recorder is None:
        return
    try:
        if transaction.ignored:
            recorder.forget(transaction)
            return
        recorder.finish(transaction, monotonic_ns())
    except Exception:  # a gate
        agent.failed(layout.AGENT_ERRORS)
        recorder.rescue(transaction, monotonic_ns())
    finally:
        transaction.recorder = None  # its row is free
    if transaction.breakdown is not None:
        recorder.operations.finish_task(transaction.breakdown, str(transaction.name))


def _step_out(run: Run) -> None:
    if run.token is not None:
        token, run.token = run.token, None
        try:
            CURRENT.reset(token)
        except ValueError:  # another context: there it was never set
            return


def outcome_of(error: BaseException | None) -> int:
    """Return how a run ended that ended by this exception, or by none."""
    if error is None or isinstance(error, GeneratorExit):
        return SUCCESS
    return SUCCESS if isinstance(error, SystemExit) and not error.code else FAILURE


_RUN: ContextVar[Run | None] = ContextVar("wsgiapm.run", default=None)


class background_task:  # noqa: N801  # as functions are called, for it is used like one
    """Record what is done within as a transaction of its own: `with background_task("nightly report"): …`.

    Also a decorator, of functions, coroutine functions and generator functions: `@background_task("nightly report")`. A
    generator is one run, from its first value to its end. Within another transaction, of a request or a task, it is a
    part of that one: a span. A run that ends by an exception has failed.
    """

    def __init__(self, name: str) -> None:
        """`name` is what the runs are counted under."""
        self.name = name

    def __enter__(self) -> Transaction | None:
        """Begin a run, and return the transaction it belongs to; None where nothing is recorded."""
        run = begin(self.name)
        run.outer = _RUN.get()
        _RUN.set(run)
        return run.transaction

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _place: TracebackType | None
    ) -> None:
        """End the run that began last in this context."""
        run = _RUN.get()
        if run is not None:
            _RUN.set(run.outer)
            end(run, outcome_of(error))

    def __call__(self, function: _Function) -> _Function:
        """Return a function each call of which is a run. Raises TypeError for an asynchronous generator function."""
        if inspect.isasyncgenfunction(function):
            msg = f"background_task({self.name!r}) cannot wrap the asynchronous generator {function.__qualname__}"
            raise TypeError(msg)
        if inspect.isgeneratorfunction(function):
            return cast("_Function", _wrap_generator(function, self.name))
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def run_coroutine(*args: Any, **kwargs: Any) -> Any:
                with background_task(self.name):
                    return await function(*args, **kwargs)

            return run_coroutine  # type: ignore[return-value]

        @wraps(function)
        def run_function(*args: Any, **kwargs: Any) -> Any:
            with background_task(self.name):
                return function(*args, **kwargs)

        return run_function  # type: ignore[return-value]


def _wrap_generator(function: Callable[..., Any], name: str) -> Any:
    @wraps(function)
    def run_generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        generator = function(*args, **kwargs)
        run = begin(name)
        if run.span is not None:  # a part of another transaction has no part that comes and goes
            end(run, SUCCESS)
            return (yield from generator)
        resume, value = generator.send, None
        while True:
            try:
                item = resume(value)
            except StopIteration as ending:
                end(run, SUCCESS)
                return ending.value
            except BaseException as error:
                end(run, outcome_of(error))
                raise
            _step_out(run)  # what the consumer does meanwhile is not its doing
            try:
                resume, value = generator.send, (yield item)
            except GeneratorExit as error:
                generator.close()
                end(run, outcome_of(error))
                raise
            except BaseException as thrown:  # it is the generator that is to have it
                resume, value = generator.throw, thrown
            if run.recorder is not None:
                run.token = CURRENT.set(run.transaction)

    return run_generator
