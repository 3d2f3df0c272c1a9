"""A protected handler never runs without a token, whatever the raw request target.

The targets are written to real sockets unchanged, because HTTP clients would normalise them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hookkey_verify import HookSigner

from ..conftest import CLIENT_ID, TOKEN_URL
from .raw_target_client import Exchange, Line, exchanges, request
from .raw_target_handler import HANDLER_RAN
from .raw_target_list import PLAIN, targets
from .raw_target_servers import FORMS, SERVERS, serving
from .raw_target_sites import NAIVE_FORMS, OPEN_FORMS, PROTECTED_FORMS, Form

pytestmark = pytest.mark.slow

FIRST = {"asgi": "uvicorn-h11", "wsgi": "waitress"}
"""The server of each interface for unprotected and naive forms."""


def _cases(forms: Mapping[str, Form]) -> list[Any]:
    """Return every form on every server.

    wsgiref hides the raw target, so it serves only forms that protect the whole application.
    """
    return [
        pytest.param(name, server, id=f"{name} on {server}")
        for name, form in forms.items()
        for server in SERVERS[form.interface]
        if server != "wsgiref" or form.is_whole
    ]


def _token(signer: HookSigner) -> str:
    return signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)


def _ask(port: int, method: bytes, target: bytes, token: str | None = None) -> Exchange:
    message = request(method, target, token, last=True)
    return Exchange(method, target, Line(port).exchange(message, alone=True))


def _check_controls(port: int, prefix: str, signer: HookSigner) -> None:
    """Check that good tokens run the handler, the public path is open, and no token gives 401."""
    base = prefix.encode()
    for path in PLAIN:
        good = _ask(port, b"POST", base + path, _token(signer))
        assert (good.status, HANDLER_RAN in good.answer) == (200, True), good
        bad = _ask(port, b"POST", base + path)
        assert (bad.status, HANDLER_RAN in bad.answer) == (401, False), bad
    public = _ask(port, b"GET", base + b"/healthz")
    assert (public.status, b"healthy" in public.answer) == (200, True), public


def _attack(name: str, server: str, signer: HookSigner, trace: Path) -> list[Exchange]:
    """Return the exchanges in which the handler of a form ran without a token."""
    with serving(name, server, trace, signer.public_jwk()) as port:
        sent = exchanges(port, targets(FORMS[name].prefix))
    return [each for each in sent if HANDLER_RAN in each.answer]


@pytest.mark.parametrize("prefix", ["", "/api"])
def test_the_targets_are_many_and_the_same_in_every_run(prefix: str) -> None:
    """The list has at least 400 distinct targets, some of about 60 KB, and the plain paths."""
    made = targets(prefix)
    assert len(made) == len(set(made)) >= 400
    assert made == targets(prefix)
    assert 55_000 < max(map(len, made)) < 65_000
    assert {prefix.encode() + path for path in PLAIN} <= set(made)


@pytest.mark.parametrize(("name", "server"), _cases(PROTECTED_FORMS))
def test_no_target_runs_the_handler_without_a_token(
    name: str, server: str, signer: HookSigner, tmp_path: Path
) -> None:
    """Neither a response nor the file that the handler writes shows that the handler ran."""
    trace = tmp_path / "trace"
    form = FORMS[name]
    with serving(name, server, trace, signer.public_jwk()) as port:
        _check_controls(port, form.prefix, signer)
        assert trace.read_bytes() == b"ran\n" * 2
        trace.unlink()
        sent = exchanges(port, targets(form.prefix))
        assert [(each.method, each.target) for each in sent if HANDLER_RAN in each.answer] == []
        assert not trace.exists(), "the handler ran, but no response shows it"
        _check_controls(port, form.prefix, signer)  # the server still works
    statuses = Counter(each.status for each in sent)
    print(f"{len(sent)} requests: {dict(statuses)}")
    assert statuses[401] >= 20, "too few targets reached the protection"
    assert statuses[0] <= len(sent) // 20, "the server left too many requests without a response"


def test_the_same_targets_run_unprotected_handlers(signer: HookSigner, tmp_path: Path) -> None:
    """Routers accept many targets of the list as one of the protected paths."""
    reached: dict[str, set[bytes]] = {}
    for name, form in OPEN_FORMS.items():
        ran = _attack(name, FIRST[form.interface], signer, tmp_path / name)
        reached[name] = {each.target for each in ran} - set(PLAIN)
        assert (tmp_path / name).read_bytes().count(b"ran\n") >= len(ran)
    print({name: len(found) for name, found in reached.items()})
    print(f"{len(set().union(*reached.values()))} distinct targets, other than the plain ones")
    assert all(reached.values())
    assert len(set().union(*reached.values())) >= 48


@pytest.mark.parametrize("name", NAIVE_FORMS)
def test_a_list_of_protected_paths_is_bypassed(
    name: str, signer: HookSigner, tmp_path: Path
) -> None:
    """A router finds the handler for a path that is not in the list of protected paths."""
    ran = _attack(name, FIRST[FORMS[name].interface], signer, tmp_path / "trace")
    bypasses = sorted({each.target for each in ran})
    print(f"{name}: {bypasses}")
    assert bypasses
