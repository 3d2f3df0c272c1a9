"""Forks and process exit: the state of a forked child, and an exit that no fetch delays.

Some tests run a script in a separate process, so that threads of other tests do not interfere.
"""

from __future__ import annotations

import copy
import gc
import json
import os
import pickle
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat

from hookkey_verify import (
    ApiToken,
    CachePolicy,
    ConfigurationError,
    HookKeys,
    HookSigner,
    IssuerKeys,
)
from hookkey_verify._runtime import forking
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import KeySourceConfigurationError

PATIENCE = 60
"""Timeout of a script in seconds; each script needs one or two."""

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
MAKERS: list[Callable[[], HookKeys | IssuerKeys]] = [
    lambda: HookKeys("https://acme.okta.com", ApiToken("00s3cr3t")),
    lambda: IssuerKeys("https://acme.okta.com/oauth2/default"),
]
FORKS = pytest.mark.parametrize("how", ["with handlers", "without handlers"])
"""A fork with and without Python's at-fork handlers, which uWSGI may not run."""
BOTH = pytest.mark.parametrize("make", MAKERS, ids=["HookKeys", "IssuerKeys"])


def run(script: str, *arguments: str, name: str = "-c") -> str:
    """Run a script in a new process, check that it exits with 0, and return its output."""
    command = [sys.executable, *(["-c", script] if name == "-c" else [name]), *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- PerProcess


def test_a_process_makes_one_value() -> None:
    """All threads of a process get the same value, also when two of them are first."""
    both, made = threading.Barrier(2), []

    def make() -> object:
        both.wait(PATIENCE)
        made.append(object())
        return made[-1]

    value = forking.PerProcess(make)
    with ThreadPoolExecutor(2) as pool:
        got = list(pool.map(lambda _: value(), range(2)))
    assert got[0] is got[1] is value()
    assert len(made) == 2


class MeetingPoint(dict[int, object]):
    """A dict in which two threads find nothing at the same time."""

    def __init__(self, values: dict[int, object]) -> None:
        super().__init__(values)
        self._both = threading.Barrier(2)

    def __missing__(self, pid: int) -> object:
        self._both.wait(PATIENCE)
        raise KeyError(pid)


def test_two_threads_of_a_child_get_one_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads that are first in a child get the same value, and the parent's is dropped."""
    value = forking.PerProcess(object)
    value()
    value._values = MeetingPoint(value._values)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with ThreadPoolExecutor(2) as pool:
        got = list(pool.map(lambda _: value(), range(2)))
    assert got[0] is got[1] is value()
    assert list(value._values) == [-1]


def test_a_child_makes_its_own_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """A different process id means a new value, and the parent's value is dropped."""
    value = forking.PerProcess(object)
    parents = value()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert value() is value()
    assert value() is not parents
    monkeypatch.undo()
    assert value() is not parents


SCRIPT = """
import atexit, ctypes, json, os, signal, sys, threading, traceback
from hookkey_verify import ApiToken, CachePolicy, HookKeys, PublicKey
from hookkey_verify.errors import HookVerificationError
from hookkey_verify.keys.flight import Fetched
from tests.keys.controlled_fetches import KeyCache

FORK = os.fork if sys.argv.pop() == "with handlers" else ctypes.PyDLL(None).fork

def key(kid):
    return PublicKey.from_document({**json.loads(sys.argv[1]), "kid": kid}, expected_kid=kid)

def outcome(cache, kid):
    try:
        return cache.get(kid).kid
    except HookVerificationError as error:
        return str(error.reason)

def in_child(work):
    for thread in threading.enumerate():
        if thread.name == "hookkey-fetch":
            thread.join(0.2)  # a thread that is about to end may hold a lock of the interpreter
    child = FORK()
    if child == 0:
        signal.alarm(30)
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, status
"""

FORKED_CACHE = (
    SCRIPT
    + """
parent, events = os.getpid(), []
begun, held, over = threading.Event(), threading.Event(), threading.Event()

def fetch(kid, deadline):
    if kid == "slow" and os.getpid() == parent:
        begun.set()
        over.wait()
    return Fetched(key(kid))

def hold_the_lock():
    with cache.state.changing():
        held.set()
        over.wait()

def work():
    assert cache.get("cached") is cached
    assert cache.get("slow").kid == "slow"
    assert cache.get("new").kid == "new"
    cache.invalidate("cached")
    assert cache.get("cached").kid == "cached"
    assert cache.health().status == "healthy"

cache = KeyCache(fetch, CachePolicy(fetch_timeout=60), on_event=events.append)
cached = cache.get("cached")
slow = threading.Thread(target=lambda: events.append(cache.get("slow")))
slow.start()
begun.wait()
holder = threading.Thread(target=hold_the_lock)
holder.start()
held.wait()
in_child(work)
assert cache.get("cached") is cached
over.set()
slow.join()
holder.join()
assert cache.get("slow") in events
assert sorted(cache.health().keys) == ["cached", "slow"]
"""
)


@needs_fork
@FORKS
def test_a_fork_amid_a_fetch_and_under_the_lock(signer: HookSigner, how: str) -> None:
    """A child returns cached keys and fetches others itself; the fetch of the parent continues."""
    run(FORKED_CACHE, json.dumps(signer.public_jwk()), how)


class KeyServer(ThreadingHTTPServer):
    """Serves a key under any keyId, keeps connections open, and records the port of each client."""

    daemon_threads = True

    def __init__(self, jwk: dict[str, str]) -> None:
        self.peers: list[tuple[str, int]] = []
        peers = self.peers

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                kid = self.path.rpartition("/")[2]
                peers.append((kid, self.client_address[1]))
                body = json.dumps({**jwk, "kid": kid}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def key_server(signer: HookSigner) -> Iterator[KeyServer]:
    with KeyServer(signer.public_jwk()) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


FORKED_KEYS = (
    SCRIPT
    + """
def work():
    assert keys.get("one") is one
    assert [keys.get(kid).kid for kid in ("child1", "child2")] == ["child1", "child2"]
    keys.close()

keys = HookKeys(sys.argv[2], ApiToken("00s3cr3t"), policy=CachePolicy(fetch_timeout=30))
one = keys.get("one")
for thread in threading.enumerate():  # without handlers, a child may not use their locks
    if thread is not threading.current_thread():
        thread.join()
in_child(work)
assert keys.get("two").kid == "two"
"""
)


@needs_fork
@FORKS
def test_a_child_has_connections_of_its_own(
    signer: HookSigner, key_server: KeyServer, how: str
) -> None:
    """A child opens a connection of its own, and its parent continues to use the old one."""
    run(FORKED_KEYS, json.dumps(signer.public_jwk()), key_server.url, how)
    ports = dict(key_server.peers)
    assert list(ports) == ["one", "child1", "child2", "two"]
    assert ports["one"] == ports["two"]
    assert ports["child1"] == ports["child2"]
    assert ports["one"] != ports["child1"]


FORKED_APP = (
    SCRIPT
    + """
import time
from hookkey_verify import ServiceApp

held, over = threading.Event(), threading.Event()

def hold_the_lock():
    with app._lock():
        held.set()
        over.wait()

def work():
    now = time.monotonic()
    app.prepare(now + 20, now)

app = ServiceApp(*sys.argv[1:])
holder = threading.Thread(target=hold_the_lock, daemon=True)
holder.start()
held.wait()
in_child(work)
over.set()
holder.join()
work()
"""
)


@needs_fork
@FORKS
def test_a_child_fetches_a_token_of_its_own(
    okta: OktaEmulator, app_key: HookSigner, how: str
) -> None:
    """A child can fetch an access token although a thread of its parent held the lock."""
    pem = app_key._key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    run(FORKED_APP, okta.url, okta.create_service_app(app_key.public_jwk()), pem, how)
    assert [line.path for line in okta.requests] == ["/oauth2/v1/token"] * 2


POOL = """
import multiprocessing, sys
from hookkey_verify import ApiToken, HookKeys

def look_up(url, token, kid):
    with HookKeys(url, ApiToken(token)) as keys:
        assert keys.get(kid).kid == kid

if __name__ == "__main__":
    method, *arguments = sys.argv[1:]
    look_up(*arguments)
    process = multiprocessing.get_context(method).Process(target=look_up, args=arguments)
    process.start()
    process.join(50)
    if process.exitcode is None:
        process.kill()
    sys.exit(process.exitcode)
"""


@needs_fork
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_each_start_method(okta: OktaEmulator, tmp_path: Path, method: str) -> None:
    """A process that multiprocessing started can create and use a HookKeys."""
    script = tmp_path / "look_up.py"
    script.write_text(POOL)
    key_id = str(okta.create_key("one")["keyId"])
    run("", method, okta.url, okta.api_token, key_id, name=str(script))
    assert [line.status for line in okta.requests] == [200, 200]


@BOTH
@pytest.mark.parametrize(
    "duplicate", [pickle.dumps, copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"]
)
def test_no_copies(
    make: Callable[[], HookKeys | IssuerKeys], duplicate: Callable[[Any], object]
) -> None:
    """Pickling or copying a key source raises an error that says what to do instead."""
    with make() as keys, pytest.raises(ConfigurationError, match="create one in each process"):
        duplicate(keys)


# --- close and exit


@BOTH
def test_use_after_close(make: Callable[[], HookKeys | IssuerKeys]) -> None:
    """A second ``close`` is allowed; a look-up after it raises an error with the reason."""
    keys = make()
    keys.close()
    keys.close()
    with pytest.raises(KeySourceConfigurationError, match="the client is closed"):
        keys.get("a")


EXIT = (
    SCRIPT
    + """
def fetch(kid, deadline):
    if kid == "hangs":
        threading.Event().wait()
    return Fetched(key(kid))

def at_exit():
    print(outcome(cache, "cached"), outcome(cache, "hangs"), outcome(cache, "new"))

cache = KeyCache(fetch, CachePolicy(fetch_timeout=0.05))
cache.get("cached")
print(outcome(cache, "hangs"))
atexit.register(at_exit)
"""
)


def test_a_fetch_that_hangs_delays_no_exit(signer: HookSigner) -> None:
    """A fetch that hangs does not delay the exit; a look-up at exit gives a key or our error.

    Python may be unable to start a thread for a fetch at that time.
    """
    hangs, at_exit = run(EXIT, json.dumps(signer.public_jwk()), "with handlers").splitlines()
    assert hangs == "key_unavailable"
    cached, still_hangs, new = at_exit.split()
    assert (cached, still_hangs) == ("cached", "key_unavailable")
    assert new in {"new", "key_unavailable"}


@BOTH
def test_a_thousand_leave_nothing_behind(make: Callable[[], HookKeys | IssuerKeys]) -> None:
    """A key source that was dropped without ``close`` leaves no thread and no object."""
    threads, kept = threading.active_count(), weakref.WeakSet[object]()
    for _ in range(1_000):
        kept.add(make())
    gc.collect()
    assert not kept
    assert threading.active_count() == threads


def test_one_that_was_used_leaves_nothing_behind(key_server: KeyServer) -> None:
    """Threads of fetches and deadlines end after a used HookKeys was dropped without ``close``."""
    threads, policy = _own_threads(), CachePolicy(fetch_timeout=60)
    for _ in range(20):
        HookKeys(key_server.url, ApiToken("00s3cr3t"), policy=policy).get("a")
    gc.collect()
    for thread in _own_threads() - threads:
        thread.join(20)
        assert not thread.is_alive()
    assert len(key_server.peers) == 20


def _own_threads() -> set[threading.Thread]:
    """Return all threads except those of the test server that serve requests."""
    serving = "process_request_thread"
    return {thread for thread in threading.enumerate() if serving not in thread.name}
