# SPDX-License-Identifier: Apache-2.0
"""The agent of a process: when it starts, what a fork does to it, what it does when it cannot do its work."""

from __future__ import annotations

import gzip
import http.server
import os
import subprocess
import sys
import threading

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from wsgiapm import APMMiddleware, agent, native
from wsgiapm.aggregate.index_file import Identity
from wsgiapm.aggregate.instance import join
from wsgiapm.aggregate.merge import merge
from wsgiapm.config import resolve
from wsgiapm.harvest import Harvester

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DURATION = "http.server.request.duration"

PRELUDE = """
import multiprocessing, os, subprocess, sys, threading
from wsgiapm import APMMiddleware

def hello(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]

def ask(app, times=1, path="/"):
    for _ in range(times):
        environ = {"REQUEST_METHOD": "GET", "wsgi.url_scheme": "http", "SCRIPT_NAME": "", "PATH_INFO": path}
        assert app(environ, lambda status, headers: None) == [b"hello"]
"""


@pytest.fixture
def shared(tmp_path):
    """The shared directory of the programs the test runs."""
    return str(tmp_path / "shared")


@pytest.fixture
def run(tmp_path, shared):
    """`run(code, **environment)` runs a program to its end and returns what it wrote: (stdout, stderr lines), but for what is always said."""

    def run_program(code: str, prelude: str = PRELUDE, **environment: str) -> tuple[str, list[str]]:
        program = tmp_path / "program.py"
        program.write_text(prelude + code)
        base = {name: value for name, value in os.environ.items() if not name.startswith("WSGIAPM_")}
        base |= {"PYTHONPATH": ROOT, "WSGIAPM_SHARED_DIR": shared, "WSGIAPM_ENDPOINT": ""}
        base["PYTHONWARNINGS"] = "ignore:This process:DeprecationWarning"  # 3.12 and later: fork and threads
        base |= environment
        done = subprocess.run(
            [sys.executable, str(program)],
            check=False,
            env=base,
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout, [line for line in done.stderr.splitlines() if " is counted in " not in line]

    return run_program


def points(path, family=DURATION):
    """The points of a family in a shared directory."""
    return {f.name: f.points for f in merge(path).families}.get(family, ())


def counted(path):
    """How many requests were counted in a shared directory."""
    return sum(point.count for point in points(path))


def running(path):
    """How many requests are in flight."""
    return sum(point.value for point in points(path, "http.server.active_requests"))


def segments(path):
    """The names of the segments in a shared directory."""
    return sorted(name for name in os.listdir(path) if name.startswith("segment-"))


class Collector(http.server.ThreadingHTTPServer):
    """An OTLP server that keeps what it gets."""

    def __init__(self) -> None:
        self.uploads: list[ExportMetricsServiceRequest] = []
        super().__init__(("127.0.0.1", 0), _Taking)

    @property
    def address(self) -> str:
        """The endpoint."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def counted(self) -> int:
        """How many requests the latest upload counts."""
        metrics = [m for r in self.uploads[-1].resource_metrics for s in r.scope_metrics for m in s.metrics]
        return sum(int(p.count) for m in metrics if m.name == DURATION for p in m.exponential_histogram.data_points)


class _Taking(http.server.BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = ExportMetricsServiceRequest()
        if self.path == "/v1/metrics":
            request.ParseFromString(gzip.decompress(body))
            self.server.uploads.append(request)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.fixture
def collector():
    """A running OTLP server."""
    server = Collector()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


# -- starting ---------------------------------------------------------------------------------------------------------


def test_the_first_request_starts_it(run, shared):
    """Wrapping an app opens nothing: it may happen in a master, or before gevent has patched."""
    out, errors = run("""
app = APMMiddleware(hello)
print(os.path.exists(os.environ["WSGIAPM_SHARED_DIR"]), threading.active_count())
ask(app)
print(os.path.exists(os.environ["WSGIAPM_SHARED_DIR"]))
""")

    assert out.split() == ["False", "1", "True"]
    assert errors == []
    assert counted(shared) == 1


def test_wrapping_an_app_loads_nothing_that_is_not_needed(run):
    """What gevent patches, and what costs, comes with the first request or the first upload."""
    out, _ = run(
        """
APMMiddleware(hello, app_name="x", apdex_t=0.3)
unwanted = {"ssl", "requests", "urllib3", "asyncio", "wrapt", "logging", "http.client", "sqlite3", "email"}
print(sorted(unwanted - {"logging"} & set(sys.modules)))
""".replace("import multiprocessing, os", "import os")
    )

    assert out.strip() == "[]"


def test_middlewares_of_the_same_settings_have_one_agent(run, shared):
    """A process counts in one segment, however often its app is wrapped."""
    run("for _ in range(3): ask(APMMiddleware(hello, apdex_t=0.3), 2)")

    assert counted(shared) == 6
    assert segments(shared) == ["segment-0"]


def test_middlewares_of_other_settings_count_apart_and_into_the_same_sum(run, shared):
    """Each has its own segment, so neither takes the other's requests for those of a dead process."""
    run("""
first, second = APMMiddleware(hello, apdex_t=0.3), APMMiddleware(hello, apdex_t=0.4)
def outer(environ, start_response):
    ask(second, 2, "/inner")
    return hello(environ, start_response)
ask(APMMiddleware(outer, apdex_t=0.3), 3, "/outer")
""")

    routes = {dict(point.attributes)["http.route"]: point.count for point in points(shared) if point.count}
    assert routes == {"/outer": 3, "/inner": 6}
    assert segments(shared) == ["segment-0", "segment-1"]
    assert points(shared, "wsgiapm.aborted_requests") == ()


def test_threads_that_race_for_the_first_request_lose_none(run, shared):
    """The first one starts the agent, the others wait for it."""
    run("""
app = APMMiddleware(hello)
barrier = threading.Barrier(16)
def work():
    barrier.wait()
    ask(app, 50)
threads = [threading.Thread(target=work) for _ in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
""")

    assert counted(shared) == 800
    assert running(shared) == 0
    assert segments(shared) == ["segment-0"]


def test_processes_that_race_for_an_instance_lose_none(run, shared):
    """One founds it, the others join."""
    run("""
app = APMMiddleware(hello)
children = []
for _ in range(8):
    child = os.fork()
    if not child:
        ask(app, 25)
        os._exit(0)
    children.append(child)
assert all(os.waitpid(child, 0)[1] == 0 for child in children)
""")

    assert counted(shared) == 200


# -- forks ------------------------------------------------------------------------------------------------------------


def test_a_forked_child_counts_in_a_segment_of_its_own(run, shared):
    """And the parent goes on as if nothing had been."""
    out, errors = run("""
app = APMMiddleware(hello)
ask(app, 3)
child = os.fork()
if not child:
    ask(app, 5)
    print(*sorted(name for name in os.listdir(os.environ["WSGIAPM_SHARED_DIR"]) if name.startswith("segment")))
    sys.stdout.flush()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
ask(app, 2)
""")

    assert out.split() == ["segment-0", "segment-1"]
    assert errors == []
    assert counted(shared) == 10


def test_the_next_child_goes_on_in_the_segment_of_the_last(run, shared):
    """A job runner that forks for each job needs one file, not one per job."""
    run("""
app = APMMiddleware(hello)
ask(app)
for _ in range(20):
    child = os.fork()
    if not child:
        ask(app)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
""")

    assert counted(shared) == 21
    assert segments(shared) == ["segment-0", "segment-1"]


@pytest.mark.parametrize("body", ["[b'hello']", "iter([b'hello'])"], ids=["list", "iterator"])
@pytest.mark.parametrize("leave", ["os._exit(0)", "sys.exit(0)", "pass"])
def test_a_request_that_forks_is_counted_once(body, leave, run, shared):
    """By the parent, who has begun it; also if the child comes back through our frames."""
    run(f"""
def forking(environ, start_response):
    global child
    start_response("200 OK", [])
    child = os.fork()
    if not child:
        {leave}
    return {body}
environ = {{"REQUEST_METHOD": "GET", "wsgi.url_scheme": "http", "SCRIPT_NAME": "", "PATH_INFO": "/"}}
try:
    answer = APMMiddleware(forking)(environ, lambda status, headers: None)
    list(answer)
    getattr(answer, "close", lambda: None)()
finally:
    if not child:
        os._exit(0)
assert os.waitpid(child, 0)[1] == 0
""")

    assert counted(shared) == 1
    assert running(shared) == 0
    assert points(shared, "wsgiapm.aborted_requests") == ()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_count(method, run, shared):
    """However they come to be."""
    run(f"""
app = APMMiddleware(hello)

def work():
    ask(app, 4)

if __name__ == "__main__":
    context = multiprocessing.get_context({method!r})
    ask(app, 2)
    children = [context.Process(target=work) for _ in range(2)]
    for child in children: child.start()
    for child in children: child.join()
    assert all(child.exitcode == 0 for child in children)
""")

    assert counted(shared) == 10


def test_a_subprocess_counts_for_itself(run, shared):
    """It finds the directory by the same settings, and our descriptors are not passed on to it."""
    out, _ = run(
        """
app = APMMiddleware(hello)
ask(app)
if len(sys.argv) == 1:
    subprocess.run([sys.executable, __file__, "child"], check=True, close_fds=False)
else:
    ask(app)
""".replace(
            "app = APM",
            """
descriptors = [entry.path for entry in os.scandir("/proc/self/fd")]
targets = [os.readlink(path) for path in descriptors if os.path.exists(path)]
print([target for target in targets if target.startswith(os.environ["WSGIAPM_SHARED_DIR"])])
app = APM""",
        )
    )

    assert counted(shared) == 3
    assert out.splitlines() == ["[]", "[]"]


def test_a_thread_that_holds_the_lock_does_not_hold_up_a_child(run, shared):
    """A fork copies the lock, but not the thread that would release it."""
    run("""
from wsgiapm.agent import _process
app = APMMiddleware(hello)
_process.lock.acquire()
child = os.fork()
if not child:
    ask(app)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
""")

    assert counted(shared) == 1


# -- a directory that cannot be used -----------------------------------------------------------------------------------


def make_symlink(path):
    """A link where the directory should be."""
    os.mkdir(path + "-target", 0o700)
    os.symlink(path + "-target", path)


def make_foreign(path):
    """The directory of another app."""
    instance = join(path, Identity("other", "", ""))
    instance.begin(500_000_000)
    instance.close()


def make_file(path):
    """A file where the directory should be."""
    with open(path, "w", encoding="ascii"):
        pass


def make_public(path):
    """A directory others may write to."""
    os.mkdir(path)
    os.chmod(path, 0o777)


def make_damaged(path):
    """A directory whose index is rubbish."""
    os.mkdir(path, 0o700)
    with open(os.path.join(path, "index"), "wb") as index:
        index.write(b"rubbish" * 1000)


def make_index_directory(path):
    """A directory where the index should be a file."""
    os.makedirs(os.path.join(path, "index"), 0o700)
    os.chmod(path, 0o700)


@pytest.mark.parametrize(
    "make", [make_symlink, make_foreign, make_file, make_public, make_damaged, make_index_directory]
)
def test_a_directory_that_cannot_be_used_costs_only_the_sharing(make, run, shared, collector):
    """The app answers, one line says why, and the process counts on its own and uploads."""
    make(shared)
    out, errors = run(
        """
import time
from wsgiapm.agent import _process
app = APMMiddleware(hello)
ask(app, 3)
[agent] = _process.agents.values()
agent._harvester.run_round()
print(agent.recorder.instance.directory, agent.failures)
""",
        WSGIAPM_ENDPOINT=collector.address,
    )

    assert out.split() == ["None", "0"]
    assert len([line for line in errors if "[ERROR]" in line]) == 1, errors
    assert shared in errors[0]
    assert "counts on its own" in errors[0]
    assert collector.counted() == 3


def test_a_directory_in_a_place_where_nothing_can_be_made_costs_only_the_sharing(run):
    """Whatever the reason; here the file system refuses."""
    out, errors = run("ask(APMMiddleware(hello), 3); print('fine')", WSGIAPM_SHARED_DIR="/proc/nowhere/x")

    assert out.strip() == "fine"
    assert len(errors) == 1
    assert "/proc/nowhere" in errors[0]


@pytest.fixture
def tiny_memory(tmp_path):
    """A file system in memory with hardly any room."""
    path = tmp_path / "tiny"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=96k", "none", str(path)]
    if os.geteuid() or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


def test_a_full_file_system_costs_only_the_sharing(tiny_memory, run):
    """Nothing is written to memory that is not there."""
    out, errors = run("ask(APMMiddleware(hello), 3); print('fine')", WSGIAPM_SHARED_DIR=str(tiny_memory / "shared"))

    assert out.strip() == "fine"
    assert len(errors) == 1
    assert "[ERROR]" in errors[0]
    assert "counts on its own" in errors[0]


# -- settings ---------------------------------------------------------------------------------------------------------


def test_settings_reach_it_from_everywhere(run, shared, tmp_path):
    """From a file, from the environment before that, from keywords before all."""
    (tmp_path / "apm.ini").write_text("[wsgiapm]\napp_name = file\nenvironment = file\ninstance_name = file\n")
    run(
        "ask(APMMiddleware(hello, instance_name='keyword'))",
        WSGIAPM_CONFIG_FILE=str(tmp_path / "apm.ini"),
        WSGIAPM_ENVIRONMENT="variable",
    )

    resource = dict(merge(shared).resource)
    assert resource["service.name"] == "file"
    assert resource["deployment.environment.name"] == "variable"
    assert resource["wsgiapm.instance.name"] == "keyword"


def test_a_bad_setting_is_one_line_and_the_default(run, shared):
    """In the user's process nothing else may come of it."""
    _, errors = run("ask(APMMiddleware(hello, apdex_t='soon'), 3)", WSGIAPM_MAX_SERIES="many")

    assert counted(shared) == 3
    assert len(errors) == 2
    assert "apdex_t" in errors[0] + errors[1]
    assert "max_series" in errors[0] + errors[1]
    assert all("[ERROR]" in line for line in errors)
    [threshold] = points(shared, "wsgiapm.apdex.threshold")
    assert threshold.value == 0.5


def test_an_unknown_keyword_is_a_mistake_of_the_program():
    """It fails where it is written."""
    with pytest.raises(TypeError, match="apdex"):
        APMMiddleware(lambda environ, start_response: [], apdex=0.5)


def test_a_disabled_agent_is_not_there(run, shared):
    """The app itself comes back, also when it is wrapped already."""

    def app(environ, start_response):
        return []

    assert APMMiddleware(app, enabled=False) is app
    run("""
inner = APMMiddleware(hello)
assert APMMiddleware(inner, enabled=False) is inner
ask(inner)
""")
    assert counted(shared) == 1


# -- stopping ---------------------------------------------------------------------------------------------------------


def test_what_began_before_stop_is_counted_and_nothing_after(run, shared):
    """The app is served as before, and another process may lead the harvest."""
    _, errors = run("""
import wsgiapm, time
from wsgiapm.aggregate.directory import open_directory
from wsgiapm.aggregate.layout import LEADER_LOCK
def streaming(environ, start_response):
    start_response("200 OK", [])
    yield b"hel"
    yield b"lo"
app = APMMiddleware(hello)
body = iter(APMMiddleware(streaming)({"REQUEST_METHOD": "GET", "wsgi.url_scheme": "http"}, lambda *_: None))
next(body)
ask(app, 2)
path = os.environ["WSGIAPM_SHARED_DIR"]
while not open_directory(path).is_locked(LEADER_LOCK): time.sleep(0.01)
wsgiapm.stop()
ask(app, 5)
assert list(body) == [b"lo"]
while open_directory(path).is_locked(LEADER_LOCK): time.sleep(0.01)
wsgiapm.start()
ask(app, 5)
""")

    assert errors == []
    assert counted(shared) == 3
    assert running(shared) == 0


def test_a_process_that_ends_still_counts_what_comes(run, shared):
    """A server drains its requests after it has told us that the worker ends."""
    run("""
from wsgiapm.agent import end_all
app = APMMiddleware(hello)
ask(app)
end_all()
ask(app, 2)
""")

    assert counted(shared) == 3
    [memory] = points(shared, "wsgiapm.worker.cpu.time")
    assert memory.value > 0


# -- the agent's own failures -----------------------------------------------------------------------------------------


def test_an_agent_that_cannot_start_says_so_once(run):
    """The app is served, and not held up by trying anew at each request."""
    out, errors = run("""
from wsgiapm import agent, joining
tries = []
def join(*arguments):
    tries.append(1)
    raise RuntimeError("broken")
joining.join = join
app = APMMiddleware(hello)
ask(app, 5)
print(len(tries), [agent.failures for agent in agent._process.agents.values()])
""")

    assert out.strip() == "1 [1]"
    assert len(errors) == 1
    assert "[ERROR]" in errors[0]
    assert "please report it: RuntimeError('broken')" in errors[0]


def test_without_instruments_requests_are_still_counted(run, shared):
    """The module of an instrument may be missing, or not be what we know."""
    _, errors = run("import sqlite3; sys.modules['wsgiapm.instruments.sqlite3'] = None; ask(APMMiddleware(hello), 2)")

    assert len(errors) == 1
    assert "please report it: ModuleNotFoundError" in errors[0]
    assert counted(shared) == 2


def test_a_failing_recorder_is_counted_and_told_once(run):
    """However often it fails: an hour's worth of failures is one line."""
    out, errors = run("""
from wsgiapm import agent
app = APMMiddleware(hello)
ask(app)
[own] = agent._process.agents.values()
def finish(*arguments):
    raise RuntimeError("broken")
own.recorder.finish = finish
ask(app, 5)
print(own.failures)
""")

    assert out.strip() == "5"
    assert len(errors) == 1


# -- the last harvest -------------------------------------------------------------------------------------------------


@pytest.fixture
def quiet_process(monkeypatch):
    """No agent in this process."""
    monkeypatch.setattr(agent._process, "agents", {})


def test_the_last_harvest_uploads_what_workers_left(run, shared, collector, monkeypatch, quiet_process):
    """In the process that outlives them: what was running is counted as aborted, everything is sent."""
    run("""
def dying(environ, start_response):
    os._exit(0)
app = APMMiddleware(lambda environ, start: (dying if environ["PATH_INFO"] == "/die" else hello)(environ, start))
ask(app, 7)
ask(app, 1, "/die")
""")
    monkeypatch.setenv("WSGIAPM_SHARED_DIR", shared)
    monkeypatch.setenv("WSGIAPM_ENDPOINT", collector.address)
    agent.harvest_last(30)

    assert collector.counted() == 7
    aborted = [(dict(p.attributes)["http.route"], p.value) for p in points(shared, "wsgiapm.aborted_requests")]
    assert [entry for entry in aborted if entry[1]] == [("/die", 1)]


@pytest.mark.parametrize(
    "setting",
    [{"endpoint": ""}, {"enabled": "false"}, {"harvest_mode": "external"}],
    ids=lambda setting: next(iter(setting)),
)
def test_the_last_harvest_is_left_out_where_it_is_not_wanted(
    setting, run, shared, collector, monkeypatch, quiet_process
):
    """Nothing goes anywhere."""
    run("ask(APMMiddleware(hello))")
    settings = {"shared_dir": shared, "endpoint": collector.address, **setting}
    for name, value in settings.items():
        monkeypatch.setenv(f"WSGIAPM_{name.upper()}", value)
    agent.harvest_last(30)

    assert collector.uploads == []


def test_the_last_harvest_is_left_to_a_leader_that_lives(run, shared, collector, monkeypatch, quiet_process):
    """Other processes of the app, job runners for one, go on harvesting."""
    leader = join(shared, Identity("python-app", "", ""))
    leader.begin(500_000_000)
    assert Harvester(leader, resolve({"endpoint": ""}).settings, None).leads()
    monkeypatch.setenv("WSGIAPM_SHARED_DIR", shared)
    monkeypatch.setenv("WSGIAPM_ENDPOINT", collector.address)
    agent.harvest_last(30)
    leader.close()

    assert collector.uploads == []


def test_the_last_harvest_says_nothing_where_there_is_nothing(monkeypatch, shared, capfd, quiet_process):
    """An app that was never asked has no directory."""
    monkeypatch.setenv("WSGIAPM_SHARED_DIR", shared)
    agent.harvest_last(30)

    assert not os.path.exists(shared)
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user than the one of the directory")
def test_the_last_harvest_leaves_the_counters_of_others_alone(shared, collector, monkeypatch, quiet_process):
    """A master that is root does not touch what its workers' user owns."""
    instance = join(shared, Identity("python-app", "", ""))
    instance.begin(500_000_000)
    instance.close()
    os.chown(shared, 65534, 65534)
    monkeypatch.setenv("WSGIAPM_SHARED_DIR", shared)
    monkeypatch.setenv("WSGIAPM_ENDPOINT", collector.address)
    agent.harvest_last(30)

    assert collector.uploads == []


def test_the_last_harvest_is_not_waited_for_longer_than_said(shared, monkeypatch, quiet_process):
    """A server that never answers holds nobody up."""
    release, done = threading.Event(), threading.Event()

    def hang(harvester):
        release.wait(60)
        done.set()

    monkeypatch.setenv("WSGIAPM_SHARED_DIR", shared)
    instance = join(shared, Identity("python-app", "", ""))
    instance.begin(500_000_000)
    instance.close()
    monkeypatch.setattr(Harvester, "run_once", hang)
    agent.harvest_last(0.05)

    assert not done.is_set()
    release.set()
    assert done.wait(60)


def test_the_last_harvest_never_raises(shared, monkeypatch, capfd, quiet_process):
    """Not in the thread, where it would be printed, nor in the master, which it would stop."""

    def fail(*_):
        raise ValueError("broken")

    monkeypatch.setattr(agent, "known_settings", fail)
    agent.harvest_last(30)
    monkeypatch.setattr(native, "start_thread", lambda function: (_ for _ in ()).throw(RuntimeError("no thread")))
    agent.harvest_last(30)

    [line] = capfd.readouterr().err.splitlines()
    assert "please report it: ValueError('broken')" in line
