"""The state file: what an org keeps in it, and how invalid files are refused."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hookkey_verify import ConfigurationError
from hookkey_verify.emulator import OktaEmulator, OktaError
from hookkey_verify.emulator.store import Store

from ..conftest import KeyPool

READ = ("okta.inlineHooks.read",)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "org.state"


@pytest.fixture
def emulate(path: Path, key_pool: KeyPool) -> Iterator[Callable[..., OktaEmulator]]:
    """Start an emulator with that state after closing the previous one."""
    made: list[OktaEmulator] = []

    def again(**options: Any) -> OktaEmulator:
        for each in made:
            each.close()
        made.append(OktaEmulator(state=path, new_key=key_pool, **options))
        made[-1].start()
        return made[-1]

    yield again
    for each in made:
        each.close()


def test_everything_is_kept(emulate: Callable[..., OktaEmulator]) -> None:
    """The file keeps key pairs, hooks, apps, the issuer and the API token."""
    okta = emulate()
    key, other = okta.create_key("one"), okta.create_key("two")
    okta.org.rename(other["id"], {"name": "second"})
    okta.org.set_used(other["id"])
    hook = okta.create_hook("https://a.io/h", name="keyed", key=key)
    okta.create_hook("https://a.io/s", name="secret", secret=("X-Secret", "s3cret"))
    okta.create_hook("https://a.io/c", name="client", client_secret="c1ient")
    app = okta.create_service_app(okta.signer(key["keyId"]).public_jwk(), READ)
    server, token = okta.authorization_server, okta.api_token
    before = (okta.org.list(), okta.hooks.list(), server.id, server.jwks())

    again = emulate()
    server = again.authorization_server
    assert (again.org.list(), again.hooks.list(), server.id, server.jwks()) == before
    assert again.api_token == token
    assert again.signer(key["keyId"]).public_jwk() == okta.signer(key["keyId"]).public_jwk()
    assert again.hooks.get(hook["id"]) == okta.hooks.get(hook["id"])
    kept = {each["name"]: again.hooks.get(each["id"]) for each in again.hooks.list()}
    assert kept["secret"].auth_header == ("X-Secret", "s3cret")
    assert kept["client"].client_secret == "c1ient"
    form = {"grant_type": "client_credentials", "scope": "okta.inlineHooks.read"}
    form["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    form["client_assertion"] = again.signer(key["keyId"]).client_assertion(
        client_id=app, token_url="https://a.io/t"
    )
    assert again._parts.tokens.grant(form, "", "https://a.io/t")["token_type"] == "Bearer"


def test_deletions_are_kept(emulate: Callable[..., OktaEmulator]) -> None:
    """Deleted keys and hooks stay deleted, and the other keys keep their order."""
    okta = emulate()
    keys = [okta.create_key(name) for name in ("a", "b", "c")]
    hook = okta.create_hook("https://a.io/h")
    okta.hooks.set_status(hook["id"], "INACTIVE")
    okta.hooks.delete(hook["id"])
    okta.org.delete(keys[0]["id"])
    okta.delete_key(keys[1]["id"])
    okta.org.rename(keys[2]["id"], {"name": "z"})
    okta.create_key("d")
    assert [key["name"] for key in emulate().org.list()] == ["z", "d"]
    assert emulate().hooks.list() == []


def test_a_given_api_token_is_kept(emulate: Callable[..., OktaEmulator]) -> None:
    """The API token that was given last is kept."""
    assert emulate(api_token="mine").api_token == "mine"
    assert emulate().api_token == "mine"
    assert emulate(api_token="other").api_token == "other"
    assert emulate().api_token == "other"


def test_an_unused_issuer_is_kept(emulate: Callable[..., OktaEmulator]) -> None:
    """The issuer is printed at the start, so its id is kept even before it has signed a token."""
    first = emulate().authorization_server.id
    assert emulate().authorization_server.id == first


def test_only_the_owner_can_read_the_files(
    emulate: Callable[..., OktaEmulator], path: Path
) -> None:
    """A file that existed before and SQLite's own files get mode 0600: they hold private keys."""
    path.touch(0o644)
    emulate().create_key("one")
    files = list(path.parent.iterdir())
    assert len(files) >= 2
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_one_emulator_per_state_file(emulate: Callable[..., OktaEmulator], path: Path) -> None:
    """A second emulator is refused: the two would not see each other's keys."""
    emulate()
    with pytest.raises(ConfigurationError, match="another emulator uses it"):
        OktaEmulator(state=path)


def test_close_releases_the_file(emulate: Callable[..., OktaEmulator], path: Path) -> None:
    """``close`` releases the file and ``stop`` does not; a closed emulator refuses changes."""
    okta = emulate()
    okta.stop()
    with pytest.raises(ConfigurationError):
        OktaEmulator(state=path)
    okta.close()
    okta.close()
    OktaEmulator(state=path).close()
    with pytest.raises(OktaError) as refused:
        okta.create_key("late")
    assert refused.value.status == 500
    assert okta.org.list() == []


def _write(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def _database(*statements: str) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement)

    return make


def _kept(kind: str, body: str) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        Store(path).close()
        insert = "INSERT INTO records (kind, id, body) VALUES (?, 'x', ?)"
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(insert, (kind, body))

    return make


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (_write(b"no database, but long enough to have a head of its own" * 9), "not a database"),
        (_write(b"SQLite format 3\x00"), "not a database"),
        (Path.mkdir, "is a directory"),
        (_database("CREATE TABLE others (x)"), "not the state of an emulator"),
        (_database("CREATE TABLE x (y)", "PRAGMA application_id = 1330333762"), "this version"),
        (_kept("key", "{"), "damaged"),
        (_kept("key", "{}"), "damaged"),
        (_kept("key", '{"pem": "x", "kid": "k"}'), "damaged"),
        (_kept("key", "[]"), "damaged"),
        (_kept("hook", '{"headers": 5}'), "damaged"),
        (_kept("hook", '{"headers": [], "auth_header": null, "more": 1}'), "damaged"),
        (_kept("app", '{"jwk": {"kty": "x"}, "scopes": []}'), "damaged"),
        (_kept("authorization server", '{"pem": "x"}'), "damaged"),
        (_kept("org", "null"), "damaged"),
    ],
)
def test_invalid_state_files(path: Path, make: Callable[[Path], object], problem: str) -> None:
    """An invalid file raises ``ConfigurationError``; a file that is not ours stays unchanged."""
    make(path)
    if path.is_file():
        path.chmod(0o644)
    before = path.stat().st_mode, path.read_bytes() if path.is_file() else b""
    with pytest.raises(ConfigurationError, match=problem) as refused:
        OktaEmulator(state=path)
    assert refused.value.detail.startswith("the state file")
    if problem != "damaged":  # damaged files are ours
        assert before == (path.stat().st_mode, path.read_bytes() if path.is_file() else b"")


def test_a_device_is_refused() -> None:
    """A device keeps its mode, even when the process runs as root."""
    mode = Path(os.devnull).stat().st_mode
    with pytest.raises(ConfigurationError, match="it is not a file"):
        OktaEmulator(state=os.devnull)
    assert Path(os.devnull).stat().st_mode == mode


def test_file_names_have_no_special_meaning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key_pool: KeyPool
) -> None:
    """``:memory:`` is an ordinary file name, although SQLite would use a database in memory."""
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        okta = OktaEmulator(state=":memory:", new_key=key_pool)
        if not okta.org.list():
            okta.create_key("kept")
        assert [key["name"] for key in okta.org.list()] == ["kept"]
        okta.close()
    assert (tmp_path / ":memory:").stat().st_size > 0


@pytest.mark.parametrize("path", ["/nowhere/org.state", "", "a\0b", 5])
def test_unusable_paths(path: Any) -> None:
    """An unusable path raises ``ConfigurationError``."""
    with pytest.raises(ConfigurationError, match="state file cannot be used"):
        OktaEmulator(state=path)


def test_failed_writes(emulate: Callable[..., OktaEmulator]) -> None:
    """A change that cannot be written gets status 500 and is not applied."""
    okta = emulate()
    key = okta.create_key("one")
    hook = okta.create_hook("https://a.io/h")
    connection = okta._store._connection
    assert connection is not None
    connection.execute("PRAGMA query_only = 1")  # every write fails from now on
    before = (okta.org.list(), okta.hooks.list())
    acts: list[Callable[[], object]] = [
        lambda: okta.create_key("two"),
        lambda: okta.org.rename(key["id"], {"name": "three"}),
        lambda: okta.org.delete(key["id"]),
        lambda: okta.delete_key(key["id"]),
        lambda: okta.org.set_used(key["id"]),
        lambda: okta.create_hook("https://a.io/i", name="other"),
        lambda: okta.hooks.set_status(hook["id"], "INACTIVE"),
        lambda: okta.create_service_app(okta.signer(key["keyId"]).public_jwk()),
    ]
    for act in acts:
        with pytest.raises(OktaError) as refused:
            act()
        assert refused.value.status == 500
        assert (okta.org.list(), okta.hooks.list()) == before
