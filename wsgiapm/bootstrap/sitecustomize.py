# SPDX-License-Identifier: Apache-2.0
"""Loaded by every Python that `wsgiapm run-program` starts, and by those that these start, before anything of theirs.

It looks out for servers (`wsgiapm.entry`), and then loads the sitecustomize that would have been loaded without it.
Any version of Python may come along here, one that has no wsgiapm too: nothing in this file is newer than 2.7.
"""

import os
import sys

_here = os.path.dirname(os.path.abspath(__file__))
_places = [os.path.abspath(place) for place in sys.path]
_after = sys.path[_places.index(_here) + 1 :] if _here in _places else []
# Nothing of ours stays on the path; a program started by this one finds it in its environment.
sys.path[:] = [place for place, real in zip(sys.path, _places) if real != _here]  # noqa: B905  # 2.7

_reason = ""
if sys.version_info < (3, 10):
    _reason = "it is older than 3.10"
else:
    try:
        from wsgiapm.entry import look_out

        look_out()
    except ImportError as _error:
        _reason = str(_error)
    except Exception as _error:  # the gate: whatever is wrong with us, the program starts
        _reason = repr(_error)
if _reason and os.environ.get("_WSGIAPM_PROGRAM") == str(os.getpid()):
    sys.stderr.write(
        "wsgiapm run-program: nothing is recorded in %s (Python %d.%d): %s; install wsgiapm into its environment\n"
        % (sys.executable or "an embedded Python", sys.version_info[0], sys.version_info[1], _reason)
    )

# What it raises is the interpreter's to report, as ever.
if sys.version_info >= (3, 4):
    from importlib.machinery import PathFinder as _PathFinder

    _spec = _PathFinder.find_spec("sitecustomize", _after)
    if _spec is not None and _spec.loader is not None:
        from importlib.util import module_from_spec as _module_from_spec

        _module = sys.modules["sitecustomize"] = _module_from_spec(_spec)
        _spec.loader.exec_module(_module)
else:
    import imp as _imp  # pylint: disable=all

    try:
        _found = _imp.find_module("sitecustomize", _after)
    except ImportError:
        _found = None
    if _found is not None:
        _imp.load_module("sitecustomize", *_found)
