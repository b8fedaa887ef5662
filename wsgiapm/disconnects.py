# SPDX-License-Identifier: Apache-2.0
"""How a server tells an app that the client has gone away: by an exception out of `write` or of `wsgi.input`."""

from __future__ import annotations

from types import TracebackType

# Waitress has one of its own that is no OSError.
_NAME = "ClientDisconnected"
_SERVERS = (
    "cheroot",
    "eventlet.wsgi",
    "gevent.pywsgi",
    "geventwebsocket",
    "gunicorn",
    "tornado",
    "waitress",
    "werkzeug.serving",
    "wsgiref",
)
# Uwsgi's functions are written in C, so no code of its own stands in a traceback.
_UWSGI = frozenset(
    f"unable to {what} message" for what in ("receive websocket", "send websocket", "send websocket binary")
)
_BELOW = ("eventlet", "gevent", "io", "socket", "ssl")


def tells_of_disconnect(error: BaseException) -> bool:
    """Tell whether an exception that a server raised means that the client is gone, and not that the app erred."""
    return isinstance(error, OSError) or type(error).__name__ == _NAME


def was_raised_by_server(error: BaseException) -> bool:
    """Tell whether an exception that came through the app says that the client is gone.

    The app may lose connections of its own, to a database for instance: what counts is whose code was at the socket.
    """
    if not tells_of_disconnect(error):
        return False
    # Not `str(error)`: that may be code of the app's.
    said = error.args[0] if type(error) is OSError and len(error.args) == 1 else None
    return (type(said) is str and said in _UWSGI) or _is_of(_reader(error.__traceback__), _SERVERS)


def _reader(traceback: TracebackType | None) -> str:
    """Return the name of the innermost module that is not just the way to the socket."""
    found = ""
    while traceback is not None:
        module = str(traceback.tb_frame.f_globals.get("__name__", ""))
        if _is_of(module, _SERVERS) or not _is_of(module, _BELOW):
            found = module
        traceback = traceback.tb_next
    return found


def _is_of(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)
