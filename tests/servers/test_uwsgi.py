# SPDX-License-Identifier: Apache-2.0
"""A real uwsgi: exact numbers however it forks, threads, reloads and ends, also where it forbids threads."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import psutil
import pytest

from tests.servers.conftest import APPS, OLD_UWSGI, ROOT, UWSGI, Client, catches
from tests.servers.matrix import covers

pytestmark = pytest.mark.skipif(
    not os.path.exists(UWSGI), reason="uwsgi could not be built here (it needs a C compiler)"
)

MASTER = ["--master", "--die-on-term"]
SETUPS = {
    "alone": ["--die-on-term"],
    "prefork": [*MASTER, "--processes=2", "--threads=2", "--enable-threads"],
    "lazy": [*MASTER, "--processes=2", "--lazy-apps"],
    "gevent": [*MASTER, "--processes=2", "--gevent=20", "--gevent-monkey-patch"],
    "processes without a master": ["--die-on-term", "--processes=2"],
    "threads": [*MASTER, "--threads=4"],
    "single interpreter": [*MASTER, "--processes=2", "--single-interpreter"],
    "fork hooks": [*MASTER, "--processes=2", "--enable-threads", "--py-call-uwsgi-fork-hooks"],
    "mules and a spooler": [*MASTER, "--processes=2", "--mule", "--spooler={tmp}"],
    "without tearing down": [*MASTER, "--processes=2", "--skip-atexit-teardown"],
}
CONFIGURATIONS = {
    "alone": "no master",
    "prefork": "master, 2 processes of 2 threads",
    "lazy": "master, `lazy-apps`",
    "gevent": "master, `gevent`",
    "threads": "master, 4 threads",
    "single interpreter": "master, `single-interpreter`",
    "processes without a master": "no master, 2 processes",
    "fork hooks": "master, `py-call-uwsgi-fork-hooks`",
    "mules and a spooler": "master, a mule and a spooler",
    "without tearing down": "master, `skip-atexit-teardown`",
}
IN_DEFAULT_RUN = ("alone", "prefork")
WITH_MASTER = [name for name, options in SETUPS.items() if "--master" in options]


def each_setup(*restarts, names=tuple(SETUPS), default=IN_DEFAULT_RUN):
    """Run a test for these setups, as covering these restarts; those that are not in `default` take long."""
    return pytest.mark.parametrize(
        "setup",
        [
            pytest.param(
                name,
                marks=[
                    covers("uwsgi", CONFIGURATIONS[name], *restarts),
                    *([] if name in default else [pytest.mark.long]),
                ],
            )
            for name in names
        ],
    )


@pytest.fixture
def uwsgi(process, counts, marks, free_port, stub, tmp_path, wait_until):
    """`uwsgi(*options, env={})` runs the app, always on the same port and directory; returns the process and a client."""
    port = free_port()

    def start(*options, module="under_uwsgi", program=UWSGI, env=None):
        settings = {
            "WSGIAPM_SHARED_DIR": counts.path,
            "WSGIAPM_ENDPOINT": stub.endpoint,
            "WSGIAPM_HARVEST_INTERVAL": "1h",
            "MARKS": str(marks),
            **(env or {}),
        }
        argv = [program, f"--http-socket=127.0.0.1:{port}", "--need-app", "--disable-logging"]
        argv += [f"--module={module}"] if module else []
        argv += [option.replace("{tmp}", str(tmp_path)) for option in options]
        running = process(argv, env=settings, cwd=APPS)
        running.wait_for_port(port)
        client = Client(port)
        wait_until(lambda: len(ready_workers(running)) >= expected_workers(argv), "the workers take signals")
        return running, client

    return start


def expected_workers(argv):
    """How many workers there are to be."""
    return next((int(option.partition("=")[2]) for option in argv if option.startswith("--processes=")), 1)


def ready_workers(running):
    """The workers that have come far enough to be ended by a signal: one that comes earlier is lost, whatever the app."""
    return [pid for pid in [running.pid, *_children(running)] if catches(pid, signal.SIGUSR2)]


def troubles(running):
    """Lines of ours in the output that tell of more than the harvest, and signs of a crash."""
    lines = [line for line in running.output().splitlines() if "[INFO]" not in line]
    return [line for line in lines if "] wsgiapm: " in line or re.search("[Ss]egmentation|Fatal Python", line)]


def leave_nothing_behind(running, *options):
    """Stop it, and fail if a process of its session stays. Without a master all of them have to be told."""
    time.sleep(0.3)  # in a worker that is still busy with the end of a request uwsgi runs no hook at its end
    if options and "--master" not in options:
        os.killpg(running.pid, signal.SIGTERM)
        running.popen.wait(40)
        psutil.wait_procs([psutil.Process(pid) for pid in in_session(running)], timeout=40)
    else:
        running.stop(timeout=40)
    assert in_session(running) == []


def in_session(running):
    """The processes of its session."""
    return [pid for pid in psutil.pids() if _session(pid) == running.pid]


def _session(pid):
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def ask_for_everything(client):
    """Send some of everything; returns how it is to be counted."""
    assert client.get_many("/json", 40, at_once=4) == {200: 40}
    assert client.get("/stream") == (200, b"0123456789" * 10)
    assert client.get("/write") == (200, b"hello")
    with open(os.path.join(APPS, "answers.py"), "rb") as file:
        assert client.get("/file") == (200, file.read())
    assert client.get("/json", "HEAD") == (200, b"")
    assert client.get("/nothing/here")[0] == 404
    with pytest.raises((http.client.HTTPException, OSError)):
        client.get("/error")
    return Counter(
        {
            ("/json", 200): 41,
            ("/stream", 200): 1,
            ("/write", 200): 1,
            ("/file", 200): 1,
            ("(not found)", 404): 1,
            ("/error", None): 1,
        }
    )


@each_setup("SIGTERM and start")
def test_every_answer_is_counted_and_uploaded_before_uwsgi_is_gone(setup, uwsgi, counts, stub, wait_until):
    """By route and status; the next one goes on from there, in the same files."""
    running, client = uwsgi(*SETUPS[setup])
    expected = ask_for_everything(client)
    wait_until(lambda: counts.total == sum(expected.values()), "all are counted")

    assert counts.requests == expected
    leave_nothing_behind(running, *SETUPS[setup])
    assert (counts.running, counts.aborted) == (0, {})
    assert stub.totals[-1:] == [sum(expected.values())]
    assert troubles(running) == []
    files = len(os.listdir(counts.path))
    running, client = uwsgi(*SETUPS[setup])
    assert client.get_many("/json", 10) == {200: 10}
    leave_nothing_behind(running, *SETUPS[setup])
    assert counts.requests == expected + Counter({("/json", 200): 10})
    assert stub.totals[-1] == sum(expected.values()) + 10
    assert len(os.listdir(counts.path)) <= files + 3


def under_traffic(client, change, times=150):
    """Ask for something again and again while `change` goes on; returns how many answers came."""
    answers = Counter()
    thread = threading.Thread(target=lambda: answers.update(client.get_many("/json", times, at_once=3)))
    thread.start()
    change()
    thread.join()
    return answers


@each_setup("SIGHUP", names=WITH_MASTER, default=("prefork",))
def test_a_graceful_reload_loses_nothing(setup, uwsgi, counts, wait_until):
    """The master runs itself anew, with the same process id; every answer is counted, and every connection answered."""
    running, client = uwsgi(*SETUPS[setup])
    answered = Counter()
    for _ in range(2):
        before = set(ready_workers(running))
        answered += under_traffic(client, lambda: running.popen.send_signal(signal.SIGHUP))
        wait_until(lambda: len(set(ready_workers(running)) - before) == len(before), "all workers are new")  # noqa: B023
    answered += client.get_many("/json", 10)
    leave_nothing_behind(running)

    assert counts.requests == {("/json", 200): answered[200]}
    assert answered == {200: 310}
    assert (counts.running, counts.aborted) == (0, {})
    assert troubles(running) == []


@pytest.mark.long
@covers("uwsgi", "master, `lazy-apps`", "`touch-chain-reload`", "`touch-reload`")
@pytest.mark.parametrize("kind", ["chain-reload", "reload"])
def test_a_touched_file_reloads_and_loses_nothing(kind, uwsgi, counts, tmp_path, wait_until):
    """One worker after the other, or all at once."""
    touched = tmp_path / "touched"
    touched.touch()
    running, client = uwsgi(*SETUPS["lazy"], f"--touch-{kind}={touched}")
    before = {child.pid for child in psutil.Process(running.pid).children()}

    def change():
        os.utime(touched, (time.time() + 10, time.time() + 10))
        wait_until(lambda: not before & set(_children(running)), "all workers are new", 40)

    answered = under_traffic(client, change, times=300)
    answered += client.get_many("/json", 10)
    leave_nothing_behind(running)

    assert counts.requests == {("/json", 200): answered[200]}
    assert answered == {200: 310}
    assert (counts.running, counts.aborted) == (0, {})


def _children(running):
    return [child.pid for child in psutil.Process(running.pid).children()]


@each_setup("`max-requests`", names=WITH_MASTER, default=())
def test_workers_that_are_recycled_lose_nothing(setup, uwsgi, counts, wait_until):
    """And their files are used again."""
    running, client = uwsgi(*SETUPS[setup], "--max-requests=20")
    answered = client.get_many("/json", 150, at_once=3)
    wait_until(lambda: counts.total == 150, "all are counted")
    wait_until(lambda: len(ready_workers(running)) == expected_workers(SETUPS[setup]), "the last ones take signals")
    leave_nothing_behind(running)

    assert answered == {200: 150}
    assert counts.requests == {("/json", 200): 150}
    assert (counts.running, counts.aborted) == (0, {})
    assert len(os.listdir(counts.path)) <= 3 * 4 + 6
    assert troubles(running) == []


def in_mid_request(client, marks, counts, wait_until, path="/stuck"):
    """Have a worker stand in the middle of a request; returns its process id and the thread that asks."""
    abandoned = client.abandon(path)
    wait_until(lambda: os.listdir(marks), "the request is under way")
    wait_until(lambda: counts.running == 1, "it is in flight")
    return int(os.listdir(marks)[0].partition("-")[2]), abandoned


@each_setup("SIGKILL of a worker in mid-request", names=WITH_MASTER, default=("prefork",))
def test_a_worker_killed_in_mid_request_loses_only_that(setup, uwsgi, counts, marks, wait_until):
    """It is found as aborted, under its route."""
    running, client = uwsgi(*SETUPS[setup], env={"WSGIAPM_HARVEST_INTERVAL": "1s"})
    assert client.get_many("/json", 40) == {200: 40}
    pid, abandoned = in_mid_request(client, marks, counts, wait_until)
    os.kill(pid, signal.SIGKILL)
    abandoned.join()
    assert client.get_many("/json", 40) == {200: 40}
    wait_until(lambda: len(ready_workers(running)) == expected_workers(SETUPS[setup]), "another worker is there")
    wait_until(lambda: counts.aborted == {("/stuck", "killed"): 1}, "it is found")
    leave_nothing_behind(running)

    assert counts.requests == {("/json", 200): 80}
    assert counts.running == 0


@each_setup("`harakiri`", names=("single interpreter", "lazy", "gevent"), default=())
def test_a_request_uwsgi_ends_by_harakiri_is_found(setup, uwsgi, counts, wait_until):
    """As aborted, with its route. Not with threads: there the end of any request stops the timer for all, whatever the app."""
    running, client = uwsgi(*SETUPS[setup], "--harakiri=2", env={"WSGIAPM_HARVEST_INTERVAL": "1s"})
    assert client.get_many("/json", 20) == {200: 20}
    client.abandon("/stuck").join()
    assert client.get_many("/json", 20) == {200: 20}
    wait_until(lambda: len(ready_workers(running)) == expected_workers(SETUPS[setup]), "another worker is there")
    wait_until(lambda: counts.aborted, "it is found")
    leave_nothing_behind(running)

    assert [route for route, _ in counts.aborted] == ["/stuck"]
    assert counts.requests == {("/json", 200): 40}
    assert "HARAKIRI" in running.output()


@pytest.mark.long
@covers("uwsgi", "master, 2 processes of 2 threads", "SIGKILL of the master and start")
def test_a_dead_master_leaves_exact_numbers(uwsgi, counts, wait_until):
    """Its workers end themselves, and the next master's go on counting."""
    running, client = uwsgi(*SETUPS["prefork"], "--no-orphans")
    assert client.get_many("/json", 40) == {200: 40}
    running.stop(signal.SIGKILL)
    wait_until(lambda: not in_session(running), "no worker is left")
    running, client = uwsgi(*SETUPS["prefork"])
    assert client.get_many("/json", 40) == {200: 40}
    leave_nothing_behind(running)

    assert counts.requests == {("/json", 200): 80}
    assert (counts.running, counts.aborted) == (0, {})


@pytest.mark.parametrize(
    ("circumstance", "said"),
    [
        pytest.param("hooks before", {"fork before", "exit before"}, marks=pytest.mark.long),
        pytest.param("hooks after", {"fork after", "exit after"}, marks=pytest.mark.long),
        pytest.param("decorators", {"fork decorated"}, marks=pytest.mark.long),
    ],
)
@covers("uwsgi", "master, with hooks of the app's own", "SIGTERM")
def test_hooks_of_others_are_kept(circumstance, said, uwsgi, counts, stub):
    """Whoever comes first or last: all are called once in each worker, and the counts are exact."""
    running, client = uwsgi(*MASTER, "--processes=2", env={"CIRCUMSTANCE": circumstance})
    assert client.get_many("/json", 60) == {200: 60}
    leave_nothing_behind(running)

    heard = re.findall(r"^hook: (.+) in worker [12]$", running.output(), re.MULTILINE)
    assert Counter(heard) == dict.fromkeys(said, 2)
    assert counts.requests == {("/json", 200): 60}
    assert stub.totals[-1] == 60


def test_a_fork_that_no_hook_tells_of_is_noticed(uwsgi, counts, wait_until):
    """The agent runs in the master already: each worker still gets a segment of its own."""
    running, client = uwsgi(*MASTER, "--processes=2", env={"CIRCUMSTANCE": "warmed up"})
    assert client.get_many("/json", 100) == {200: 100}
    wait_until(lambda: counts.total == 101, "all are counted")  # the first ones may have waited for the index

    assert counts.requests == {("/json", 200): 101}
    workers = [point for point in counts.points("wsgiapm.worker.requests") if point.value]
    assert len(workers) == 3  # the master too, where it warmed up
    assert max(point.value for point in workers) < 101
    leave_nothing_behind(running)
    assert counts.requests == {("/json", 200): 101}
    assert (counts.running, counts.aborted) == (0, {})


@pytest.mark.parametrize(
    ("options", "segments"),
    [
        pytest.param([], [60, 60], id="an interpreter for each"),
        pytest.param(["--single-interpreter"], [120], id="one for all", marks=pytest.mark.long),
    ],
)
@covers("uwsgi", "master, two apps mounted, `single-interpreter` on and off", "SIGTERM")
def test_apps_in_one_process_count_together(options, segments, uwsgi, counts):
    """Each may have an interpreter of its own, with a copy of the agent: they share what they count, not their segment."""
    mounts = [f"--mount=/{name}=under_uwsgi:application" for name in ("one", "two")]
    running, client = uwsgi(*MASTER, "--threads=2", "--manage-script-name", *mounts, *options, module=None)
    for name in ("one", "two"):
        assert client.get_many(f"/{name}/json", 60, at_once=4) == {200: 60}
    leave_nothing_behind(running)

    assert counts.requests == {("/one/json", 200): 60, ("/two/json", 200): 60}
    assert [point.value for point in counts.points("wsgiapm.worker.requests")] == segments
    assert (counts.running, counts.aborted) == (0, {})


WITHOUT_THREADS = [
    pytest.param(UWSGI, {"CIRCUMSTANCE": "no threads"}, id="told so"),
    pytest.param(
        OLD_UWSGI,
        {},
        id="2.0.26",
        marks=[
            covers("uwsgi 2.0.26", "master, 2 processes, threads off", "SIGTERM", "`wsgiapm harvest --once`"),
            pytest.mark.long,
            pytest.mark.skipif(not os.path.exists(OLD_UWSGI), reason="no .venv-uwsgi-2.0.26: run `make test-servers`"),
        ],
    ),
]


@pytest.mark.parametrize(("program", "env"), WITHOUT_THREADS)
def test_without_threads_all_is_counted_and_harvested_from_outside(
    program, env, uwsgi, process, counts, stub, tmp_path
):
    """The log says once what is missing and what to do."""
    env = {**env, "WSGIAPM_HARVEST_INTERVAL": "1s"}
    running, client = uwsgi(*MASTER, "--processes=2", program=program, env=env)
    assert client.get_many("/json", 10, at_once=1) == {200: 10}  # nobody has to wait for the index later
    assert client.get_many("/json", 40) == {200: 40}

    assert counts.requests == {("/json", 200): 50}
    assert all(point.value > 0 for point in counts.points("wsgiapm.worker.memory"))
    [line] = troubles(running)
    assert "enable-threads = true" in line
    assert "wsgiapm harvest" in line
    assert stub.totals == []
    settings = {"WSGIAPM_SHARED_DIR": counts.path, "WSGIAPM_ENDPOINT": stub.endpoint}
    argv = [sys.executable, "-m", "wsgiapm", "harvest", "--once"]
    assert process(argv, env=settings).popen.wait(60) == 0
    assert stub.totals == [50]
    leave_nothing_behind(running)
    assert counts.requests == {("/json", 200): 50}


def harvester(running):
    """What `attach-daemon` has started, in a session of its own."""
    below = psutil.Process(running.pid).children(recursive=True)
    [found] = [child for child in below if child.cmdline()[-1:] == ["harvest"]]
    return found


@pytest.mark.long
@covers("uwsgi", "master, threads off, `attach-daemon = wsgiapm harvest`", "SIGKILL of the daemon", "SIGHUP", "SIGTERM")
def test_uwsgi_keeps_who_uploads_alive(uwsgi, counts, stub, wait_until):
    """It waits for the first request, uploads for workers without threads, is begun anew, and ends with uwsgi."""
    daemon = f"--attach-daemon={sys.executable} -m wsgiapm harvest"
    env = {"CIRCUMSTANCE": "no threads", "WSGIAPM_HARVEST_INTERVAL": "1s"}
    running, client = uwsgi(*MASTER, "--processes=2", daemon, env=env)
    running.wait_for_output("harvest: waiting for ")
    assert client.get_many("/json", 10, at_once=1) == {200: 10}  # nobody has to wait for the index later
    assert client.get_many("/json", 30) == {200: 30}
    wait_until(lambda: stub.totals[-1:] == [40], "they are uploaded", 60)

    os.kill(harvester(running).pid, signal.SIGKILL)
    assert client.get_many("/json", 40) == {200: 40}
    wait_until(lambda: stub.totals[-1:] == [80], "another one uploads", 60)
    before = set(ready_workers(running))
    running.popen.send_signal(signal.SIGHUP)
    wait_until(lambda: len(set(ready_workers(running)) - before) == len(before), "all workers are new")
    assert client.get_many("/json", 40) == {200: 40}
    wait_until(lambda: stub.totals[-1:] == [120], "they are uploaded after a reload, too", 60)
    last = harvester(running)
    leave_nothing_behind(running)

    wait_until(lambda: not last.is_running(), "nobody harvests any more", 40)
    assert counts.requests == {("/json", 200): 120}
    assert (counts.running, counts.aborted) == (0, {})


@pytest.mark.long
@covers("uwsgi", "master, 2 processes of 2 threads, 20,000 requests by `ab`", "SIGTERM")
@pytest.mark.skipif(shutil.which("ab") is None, reason="ab is not installed (apache2-utils)")
def test_twenty_thousand_requests_are_all_counted(uwsgi, counts):
    """As many as `ab` counted."""
    running, client = uwsgi(*SETUPS["prefork"])
    url = f"http://127.0.0.1:{client.port}/json"
    done = subprocess.run(["ab", "-q", "-n", "20000", "-c", "8", url], check=True, capture_output=True, text=True)
    leave_nothing_behind(running)

    assert re.search(r"Complete requests: +20000\nFailed requests: +0\n", done.stdout), done.stdout
    assert counts.requests == {("/json", 200): 20000}


@pytest.mark.long
@pytest.mark.parametrize("setup", ["alone", "prefork", "gevent"])
def test_a_file_is_sent_in_uwsgis_own_way(setup, uwsgi, counts, ask_for_files):
    """One that has a number is not read by anybody in Python, each is closed once, and its bytes are counted: as without us."""
    done = []
    for enabled in ("false", "true"):
        running, client = uwsgi(*SETUPS[setup], env={"WSGIAPM_ENABLED": enabled})
        done.append(ask_for_files(running, client))
        leave_nothing_behind(running, *SETUPS[setup])

    assert done[1] == done[0]
    assert done[1][0] == ["closed"]
    assert [told.count("closed") for told in done[1]] == [1, 1]
    assert counts.requests == {("/sent", 200): 2, ("/json", 200): 1}
    assert counts.size["/sent"] == 2 * os.path.getsize(os.path.join(APPS, "answers.py"))


@pytest.mark.long
def test_a_client_that_goes_away_is_counted_once(uwsgi, counts, wait_until):
    """Whatever uwsgi makes of it."""
    running, client = uwsgi(*SETUPS["prefork"])
    client.leave("/big")
    wait_until(lambda: counts.total == 1, "it is counted")

    assert counts.requests == {("/big", 200): 1}
    assert counts.running == 0
    leave_nothing_behind(running)


@covers("uwsgi", "deploy/uwsgi.ini", "SIGHUP", "SIGTERM")
def test_the_configuration_in_deploy_works(process, counts, stub, free_port, tmp_path, marks, wait_until):
    """As it is, but for its places; it counts exactly over a reload, and TERM ends it with all its workers."""
    port = free_port()
    places = {
        "module = project.wsgi:application": "module = answers:application",
        "chdir = /srv/app\n": f"chdir = {APPS}\n",
        "virtualenv = /srv/app/venv\n": f"virtualenv = {os.path.dirname(os.path.dirname(UWSGI))}\n",
        "socket = /run/app/uwsgi.sock\n": f"socket = {tmp_path}/uwsgi.sock\nhttp-socket = 127.0.0.1:{port}\n",
        "env = XDG_STATE_HOME=/var/lib\n": "",
    }
    with open(os.path.join(ROOT, "deploy", "uwsgi.ini"), encoding="utf-8") as file:
        text = file.read()
    for there, here in places.items():
        assert text.count(there) == 1, there
        text = text.replace(there, here)
    (tmp_path / "uwsgi.ini").write_text(text)
    env = {"WSGIAPM_SHARED_DIR": counts.path, "WSGIAPM_ENDPOINT": stub.endpoint, "MARKS": str(marks)}
    running = process([UWSGI, "--ini", str(tmp_path / "uwsgi.ini")], env=env)
    running.wait_for_port(port)
    client = Client(port)
    wait_until(lambda: len(ready_workers(running)) == 4, "the workers take signals")
    before = set(ready_workers(running))
    answered = under_traffic(client, lambda: running.popen.send_signal(signal.SIGHUP))
    wait_until(lambda: len(set(ready_workers(running)) - before) == 4, "all workers are new")
    answered += client.get_many("/json", 40)
    leave_nothing_behind(running)

    assert answered == {200: 190}
    assert counts.requests == {("/json", 200): 190}
    assert stub.totals[-1] == 190
    assert troubles(running) == []
