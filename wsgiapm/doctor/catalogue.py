# SPDX-License-Identifier: Apache-2.0
"""The catalogue: every finding there is, by its stable name; docs/doctor.md is made from it."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Severity = Literal["info", "warning", "error"]
Area = Literal["settings", "directory", "processes", "delivery"]


class Entry(NamedTuple):
    """What is known of a finding before it is found.

    `lost` says what goes missing or is wrong because of it, `remedy` what to do about it.
    """

    area: Area
    severity: Severity
    meaning: str
    lost: str = "nothing"
    remedy: str = ""


CATALOGUE: Final[dict[str, Entry]] = {
    "bad-setting": Entry(
        "settings",
        "warning",
        "A setting has a value that cannot be, or a name that is none.",
        "what the setting was to bring about: the default is in force",
        "correct it; until then its default is used. `wsgiapm check-config` shows what is in force",
    ),
    "disabled": Entry("settings", "warning", "The agent is switched off.", "everything", "set enabled to true"),
    "no-endpoint": Entry(
        "settings",
        "info",
        "`endpoint` is empty.",
        "nothing is uploaded; the counters are there for `wsgiapm metrics`",
        "set endpoint if a report is wanted",
    ),
    "directory-full": Entry(
        "directory",
        "error",
        "The shared directory is full: its file system has no room for one more chunk of counters.",
        "detail: new series go to `(other)`, and workers that start now count on their own",
        "free some room there, or set shared_dir to a directory elsewhere, and restart the app",
    ),
    "network-file-system": Entry(
        "directory",
        "error",
        "The shared directory is on a network file system, where locks and memory mappings are not reliable.",
        "perhaps everything",
        "set shared_dir to a directory of this machine, best in memory",
    ),
    "copying-file-system": Entry(
        "directory",
        "warning",
        "The shared directory is on btrfs, ZFS or bcachefs, which need new room for every write to what is there.",
        "when the disk, or a quota on it, is full, the kernel ends who counts there (SIGBUS)",
        "set shared_dir to a directory in memory, or on ext4 or XFS, and restart the app",
    ),
    "remove-ipc": Entry(
        "directory",
        "warning",
        "logind empties `/dev/shm` of this user at the last logout (`RemoveIPC`).",
        "nothing as long as a worker lives; when none does, what was counted since the last upload",
        "run the app as a system user, or keep the user's session with `loginctl enable-linger`, or set RemoveIPC=no",
    ),
    "no-directory": Entry(
        "directory",
        "warning",
        "The shared directory is missing: no process with these settings has counted anything.",
        "nothing, or all of it",
        "start the app with its middleware (application = APMMiddleware(application)) and send it a request; if it runs, "
        "give this command the same user and settings (app_name, shared_dir) as the app",
    ),
    "directory-removed": Entry(
        "directory",
        "warning",
        "Processes count in a shared directory that was removed under them.",
        "nothing: they put it back at their next harvest, or when they end, and processes that start now go on with it",
        "find out who removes it (RemoveIPC of logind, a cleaning job); restart the app if it does not come back",
    ),
    "directory-not-ours": Entry(
        "directory",
        "error",
        "The shared directory belongs to another user.",
        "what this user's processes count: each counts on its own",
        "run all processes of an app as one user, or give each user's a shared_dir of its own",
    ),
    "directory-unusable": Entry(
        "directory",
        "error",
        "The shared directory is a link, can be written by others, cannot be read, or its index is damaged.",
        "what workers that start now count: each counts on its own",
        "do what the message says, then restart the app",
    ),
    "other-format": Entry(
        "directory",
        "error",
        "The files of the shared directory are of another format than that of the wsgiapm installed here.",
        "what processes of the other version count: each counts on its own",
        "restart all processes of the app with one version of wsgiapm; remove the directory between stop and start",
    ),
    "other-app": Entry(
        "directory",
        "error",
        "Two apps are set to one shared directory: it belongs to another app, environment or instance than ours.",
        "what the app that came second counts: each of its processes counts on its own",
        "give each app a shared_dir of its own, or none, and restart",
    ),
    "damaged-file": Entry(
        "directory",
        "error",
        "A counter file has a cell that cannot be, or cannot be read.",
        "what was counted in that file: it is left out of all sums",
        "stop the app, remove the directory, and start the app again",
    ),
    "set-aside-file": Entry(
        "directory",
        "warning",
        "A counter file that was damaged, or of another instance, has been renamed to `damaged-N`.",
        "what was counted in that file",
        "remove it when you have no more use for it",
    ),
    "dropped-series": Entry(
        "directory",
        "warning",
        "There was no room for another series; its requests are counted under `(other)`.",
        "which route they were",
        "raise max_series or shared_max_bytes; routes with ids in them make a series for each id",
    ),
    "dropped-events": Entry(
        "directory",
        "warning",
        "Events, such as the last words of a worker, were not kept: nobody fetched them in time.",
        "those events; no counts",
        "see why uploads do not arrive; the counters are complete",
    ),
    "dropped-items": Entry(
        "directory",
        "warning",
        "Something else could not be kept; the message says what, and why.",
        "those items; no counts",
        "see the message; the limits are settings",
    ),
    "workers": Entry("processes", "info", "How many processes count now, and how many files there are."),
    "no-global-lock": Entry(
        "processes",
        "info",
        "Processes run on a Python without a global lock, and count under a lock of their own: exact, a little slower.",
    ),
    "asgi-worker": Entry(
        "processes",
        "warning",
        "Workers of gunicorn speak ASGI to their app (worker class `asgi`, or uvicorn's).",
        "the requests; only those that reach a WSGI app inside are recorded, by its own APMMiddleware",
        "serve the WSGI app with a WSGI worker class (sync, gthread, gevent), or wrap the WSGI app before "
        "it is made an ASGI one: WsgiToAsgi(APMMiddleware(app))",
    ),
    "dirty-workers": Entry(
        "processes",
        "info",
        "gunicorn runs dirty workers beside those that answer requests.",
        "what dirty workers do; the requests that wait for them are recorded with the whole time they take",
        "none is needed, as long as nobody takes the report for all that this gunicorn does",
    ),
    "no-hooks": Entry(
        "processes",
        "warning",
        "Workers of gunicorn run without the server hooks: the agent was started by the first request.",
        "how a worker died; and a master that is root's cannot make the directory for its workers",
        "add the hooks: `gunicorn -c python:wsgiapm.gunicorn_hooks ...`, or import them into gunicorn.conf.py "
        "(from wsgiapm.gunicorn_hooks import *)",
    ),
    "threads-off": Entry(
        "processes",
        "warning",
        "Threads are off: workers of uwsgi without `enable-threads`, or at the system's limit, have never harvested.",
        "uploads; requests are counted all the same",
        "set enable-threads = true in uwsgi's configuration (elsewhere raise the limit of threads), or run "
        "`wsgiapm harvest` beside the app",
    ),
    "no-harvest": Entry(
        "processes",
        "warning",
        "Processes count, but have not harvested for more than three intervals, and nobody does it for them.",
        "uploads, memory and CPU time of these workers; requests are counted all the same",
        "look for internal errors in the log; meanwhile `wsgiapm harvest` uploads in their place",
    ),
    "gevent-order": Entry(
        "processes",
        "warning",
        "gevent patched the process too late: after the agent had started, or after urllib3 was imported.",
        "with urllib3 imported before, https requests of app and agent end in a RecursionError: no uploads",
        "call gevent.monkey.patch_all() first of all, before any other import; under gunicorn leave preload_app off "
        "or patch at the top of gunicorn.conf.py",
    ),
    "counts-alone": Entry(
        "processes",
        "error",
        "A process could not take part in a shared directory and counts on its own, or not at all.",
        "what it has not uploaded itself when it ends; `wsgiapm metrics` does not see it",
        "remove the reason that the message gives, then restart that process",
    ),
    "worker-settings": Entry(
        "processes",
        "warning",
        "Running workers have settings that are not what somebody meant.",
        "what these settings were to bring about: the defaults are in force",
        "see the log of the app, where each is named at the start; correct them and restart",
    ),
    "internal-errors": Entry(
        "processes",
        "warning",
        "The agent itself has failed at one of its gates; the app did not notice.",
        "perhaps the requests in question",
        "see the log of the app for `please report it`, and report it",
    ),
    "delivery": Entry("delivery", "info", "The server accepts uploads."),
    "wrong-token": Entry(
        "delivery",
        "error",
        "The server does not take the token.",
        "all uploads; the counters are kept meanwhile",
        "set license_key to the server's ingest token; over plain http it is sent to this machine only",
    ),
    "endpoint-refuses": Entry(
        "delivery",
        "warning",
        "The server cannot be reached, or does not take uploads now.",
        "nothing yet: the counters are kept meanwhile",
        "start the server (wsgiapm serve), or correct endpoint, proxy or ca_file",
    ),
    "no-otlp-server": Entry(
        "delivery",
        "error",
        "What answers at `endpoint` refuses uploads for good.",
        "all uploads; the counters are kept meanwhile",
        "check that endpoint is the base address of an OTLP server",
    ),
    "clock-skew": Entry(
        "delivery",
        "warning",
        "The clocks of this machine and of the server differ.",
        "nothing, but charts show it at the wrong time",
        "keep the time on both machines by NTP (timedatectl set-ntp true)",
    ),
}
