# SPDX-License-Identifier: Apache-2.0
"""Every setting, once: its name, default, kind and one sentence of documentation.

The reader of the layers, `generate-config`, `check-config` and docs/configuration.md all go by this list.
"""

# ruff: noqa: FBT003, S108  # the defaults stand first, booleans too; the shared directory is documented, not opened here

# Without annotations as text, each of which typing would compile when the settings are made: a third of their time.

from collections.abc import Mapping
from typing import Any

from wsgiapm.config.kinds import Duration, Flag, Integer, Kind, Size, Threshold
from wsgiapm.config.texts import Address, Choice, Headers, Names, Path, Secret, Statuses, Text, UrlPath
from wsgiapm.named_tuple import NamedTuple


class Option(NamedTuple):
    """What is known of one setting besides its value."""

    name: str
    default: Any
    kind: Kind
    doc: str
    unset: str  # what the default stands for, where it only stands for something

    @property
    def variable(self) -> str:
        """The name of the environment variable."""
        return "WSGIAPM_" + self.name.upper()

    @property
    def default_text(self) -> str:
        """The default as it can be written in a file."""
        return self.kind.show(self.default)


_described: list[tuple[Kind, str, str]] = []


def _setting(default: Any, kind: Kind, doc: str, *, unset: str = "") -> Any:
    _described.append((kind, doc, unset))
    return default


class Settings(NamedTuple):
    """The values in force. Durations are seconds, sizes are bytes."""

    enabled: bool = _setting(True, Flag(), "Whether anything is recorded at all.")
    app_name: str = _setting(
        "python-app",
        Text(takes_empty=False),
        "The name of the app in the report; an app appears there by itself when it first uploads.",
    )
    instance_name: str = _setting(
        "",
        Text(),
        "Tells a second instance of the same app on one machine from the first; it gets counters of its own.",
    )
    license_key: str = _setting(
        "",
        Secret(),
        "The server's ingest token, sent as `Authorization: Bearer`; over plain http it goes to this machine only.",
        unset="for an endpoint on this machine, the token `wsgiapm serve` made for the same user",
    )
    environment: str = _setting(
        "",
        Text(),
        "Where the app runs, such as production; it also chooses the section `[wsgiapm:ENVIRONMENT]` of the file.",
    )
    service_version: str = _setting("", Text(), "The version of the app; a change marks a deployment in the report.")
    endpoint: str = _setting(
        "http://127.0.0.1:4318",
        Address(),
        "The base address of the OTLP/HTTP server to upload to; empty for no upload.",
    )
    headers: tuple[tuple[str, str], ...] = _setting(
        (), Headers(), "Further headers of each upload, `name=value,name=value`."
    )
    harvest_interval: float = _setting(
        10.0, Duration(1.0), "How often the counters of all workers are merged and uploaded; at least 1s."
    )
    harvest_mode: str = _setting(
        "thread",
        Choice("thread", "external"),
        "Who merges and uploads: a thread in the workers, or `wsgiapm harvest` or `wsgiapm serve` beside them.",
    )
    shared_dir: str = _setting(
        "",
        Path(absolute=True),
        "The directory of the counters all workers of the app share; it should be in memory, and an absolute path.",
        unset="/dev/shm/wsgiapm-<uid>/<app_name>; under the default app_name with a hash of the working directory",
    )
    shared_max_bytes: int = _setting(
        0,
        Size(256 * 1024, zero_means="computed"),
        "The most room the shared directory may take; 0 means that it is computed.",
        unset="the smaller of 32MiB and half of what is free there",
    )
    spool_dir: str = _setting(
        "",
        Path(absolute=True),
        "The directory of uploads that wait for the server; an absolute path.",
        unset="spool/<app_name> below $XDG_STATE_HOME/wsgiapm or ~/.local/state/wsgiapm",
    )
    spool_max_bytes: int = _setting(64 * 2**20, Size(), "The most room waiting uploads may take; 0 for none.")
    max_series: int = _setting(
        2000, Integer(1, 1_000_000), "The most series kept; whatever comes beyond is counted under `(other)`."
    )
    apdex_t: float = _setting(
        0.5, Duration(above_zero=True), "The Apdex T: up to T a request satisfies, up to 4T it is tolerated."
    )
    slow_threshold: float = _setting(
        2.0, Threshold(), "Requests slower than this keep their full trace; `4t` is four times the Apdex T."
    )
    error_status: tuple[tuple[int, int], ...] = _setting(
        ((500, 599),),
        Statuses(),
        "The statuses that are errors, such as `500-599, 404`; an unhandled exception always is one.",
    )
    trace_sample: int = _setting(
        0, Integer(0, 1_000_000_000), "One in so many requests keeps its trace however fast it was; 0 for none."
    )
    trace_bytes_per_minute: int = _setting(2**20, Size(), "The most that traces may take, of all workers together.")
    trace_log: bool = _setting(False, Flag(), "Whether each kept trace also writes a line to the log.")
    slow_sql_threshold: float = _setting(0.5, Duration(), "SQL statements slower than this are kept.")
    explain_sql: bool = _setting(
        False, Flag(), "Whether the plan of a slow SELECT is asked for, never on the request's own thread."
    )
    record_sql: str = _setting(
        "obfuscated",
        Choice("off", "obfuscated", "raw"),
        "How much of the SQL text is kept; obfuscated has no values in it.",
    )
    log_sql: bool = _setting(False, Flag(), "Whether SQL text goes to the local log, and to nowhere else.")
    capture_params: bool = _setting(
        False, Flag(), "Whether traces and errors carry the request's parameters, scrubbed."
    )
    capture_headers: bool = _setting(False, Flag(), "Whether traces and errors carry the request's headers, scrubbed.")
    capture_locals: bool = _setting(
        False, Flag(), "Whether errors carry the local variables of their frames, scrubbed."
    )
    capture_logs: bool = _setting(
        False, Flag(), "Whether traces and errors carry the log lines of the request, scrubbed."
    )
    ignored_params: tuple[str, ...] = _setting(
        (),
        Names(),
        "Names whose values are scrubbed wherever they appear, besides those on the built-in list.",
        unset="the usual secrets, such as password, token and authorization, are on the built-in list",
    )
    remote_commands: bool = _setting(
        False, Flag(), "Whether the server may ask for profiles; what it asks must be signed, and soon expires."
    )
    ignore_paths: tuple[str, ...] = _setting(
        (), Names(prefix="/"), "Requests whose path starts with one of these are not recorded."
    )
    metrics_path: str = _setting(
        "",
        UrlPath(),
        "The path at which the middleware itself answers with the metrics in Prometheus text; empty for none.",
    )
    metrics_token: str = _setting(
        "", Secret(), "Who asks for metrics_path must give this token as bearer, or by basic auth as the password."
    )
    proxy: str = _setting(
        "",
        Address(credentials=True),
        "The proxy of uploads.",
        unset="what the environment says (https_proxy, no_proxy, …)",
    )
    ca_file: str = _setting(
        "",
        Path(existing=True),
        "The file with the certificates an https endpoint is checked against.",
        unset="what the environment says (REQUESTS_CA_BUNDLE, …), else the certificates that come with requests",
    )
    disabled_instruments: tuple[str, ...] = _setting(
        (), Names(), "Libraries that are left alone, by the instruments' names."
    )
    sampler: bool = _setting(True, Flag(), "Whether the stacks of requests that run long are looked at.")
    log_file: str = _setting("", Path(word="stderr"), "The file wsgiapm's own log is appended to.", unset="stderr")
    log_level: str = _setting(
        "INFO", Choice("DEBUG", "INFO", "WARNING", "ERROR"), "The least serious lines wsgiapm's own log contains."
    )

    @property
    def uploaded_sql(self) -> str:
        """What of a statement's text may leave this machine: `off`, `obfuscated` or `raw`."""
        return "off" if self.log_sql else self.record_sql

    def __repr__(self) -> str:
        shown = [f"{name}={value!r}" for name, value in self._asdict().items() if not OPTIONS[name].kind.may_be_secret]
        return f"Settings({', '.join(shown)})"


OPTIONS: Mapping[str, Option] = {
    name: Option(name, default, *described)
    for (name, default), described in zip(Settings._field_defaults.items(), _described, strict=True)
}
