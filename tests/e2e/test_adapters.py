"""Every adapter gives the same response to the same request, over sockets where possible."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from hookkey_verify import HookSigner, HookVerifier, StaticKeys, VerifiedHook
from hookkey_verify._wire.bearer import Headers, header_values
from hookkey_verify.errors import (
    KeyRejectedError,
    KeySourceConfigurationError,
    KeySourceThrottledError,
    KeyUnavailableError,
)
from hookkey_verify.guard import Guard, HttpRefusal, RequestVerifier
from hookkey_verify.testing import bad_tokens

from ..conftest import CLIENT_ID, TOKEN_URL
from .adapters import ADAPTERS, Reply, Runs, Send


class Failing:
    """A key source that always raises the given error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def get(self, kid: str, *, algorithm: str | None = None, deadline: float | None = None) -> Any:
        raise self._error

    async def aget(
        self, kid: str, *, algorithm: str | None = None, deadline: float | None = None
    ) -> Any:
        raise self._error

    def close(self) -> None:
        pass


class Careless:
    """A user's own verifier that raises an undocumented exception."""

    def verify_headers(self, headers: Headers) -> VerifiedHook:
        raise KeyError("secret")

    async def averify_headers(self, headers: Headers) -> VerifiedHook:
        raise KeyError("secret")


class ByCase:
    """A verifier that delegates to the one named in the ``X-Case`` header."""

    def __init__(self, cases: dict[str, RequestVerifier]) -> None:
        self._cases = cases

    def _chosen(self, headers: Headers) -> RequestVerifier:
        return self._cases[(header_values(headers, "x-case") or ["good"])[0]]

    def verify_headers(self, headers: Headers) -> VerifiedHook:
        return self._chosen(headers).verify_headers(headers)

    async def averify_headers(self, headers: Headers) -> VerifiedHook:
        return await self._chosen(headers).averify_headers(headers)


def _verifier(keys: Any, **options: Any) -> HookVerifier:
    return HookVerifier.for_client_assertion(
        keys, client_id=CLIENT_ID, token_url=TOKEN_URL, **options
    )


@pytest.fixture(scope="module")
def by_case(keys: StaticKeys) -> ByCase:
    """One verifier for all cases, selected by the ``X-Case`` header."""
    return ByCase(
        {
            "good": _verifier(keys),
            "down": _verifier(Failing(KeyUnavailableError("x", retry_after=2.2))),
            "throttled": _verifier(Failing(KeySourceThrottledError("x", retry_after=30))),
            "misconfigured": _verifier(Failing(KeySourceConfigurationError("x"))),
            "rejected": _verifier(Failing(KeyRejectedError("x"))),
            "scoped": HookVerifier(keys, issuer=None, audience=None, scopes=["hooks"]),
            "careless": Careless(),
        }
    )


@dataclass(frozen=True, slots=True)
class Case:
    """A request that must be refused, with the expected status and reason."""

    name: str
    headers: tuple[tuple[str, str], ...]
    status: int
    reason: str


@pytest.fixture(scope="module")
def cases(signer: HookSigner) -> list[Case]:
    """Requests with a bad token, without exactly one token, or that fail for another reason."""
    good = signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)
    bearer = ("Authorization", f"Bearer {good}")
    cases = [
        Case("no header", (), 401, "missing_token"),
        Case("Basic", (("Authorization", "Basic dTpw"),), 401, "missing_token"),
        Case("bare token", (("Authorization", good),), 401, "missing_token"),
        Case("token of another header", (("X-Token", f"Bearer {good}"),), 401, "missing_token"),
        Case("no token", (("Authorization", "Bearer"),), 401, "malformed_token"),
        Case("two words", (("Authorization", f"Bearer {good} x"),), 401, "malformed_token"),
        Case("twice", (bearer, bearer), 401, "multiple_tokens"),
        Case("empty, then good", (("Authorization", ""), bearer), 401, "multiple_tokens"),
        Case("good, then empty", (bearer, ("Authorization", "")), 401, "multiple_tokens"),
        Case(
            "twice, in two cases", (bearer, ("authorization", "Bearer x")), 401, "multiple_tokens"
        ),
        Case(
            "joined", (("Authorization", f"Bearer {good}, Bearer {good}"),), 401, "multiple_tokens"
        ),
    ]
    for name, status, reason in (
        ("down", 503, "key_unavailable"),
        ("throttled", 503, "key_source_throttled"),
        ("misconfigured", 500, "key_source_misconfigured"),
        ("rejected", 500, "key_rejected"),
        ("scoped", 403, "insufficient_scope"),
        ("careless", 500, "configuration"),
    ):
        cases.append(Case(name, (bearer, ("X-Case", name)), status, reason))
    for bad in bad_tokens(signer, client_id=CLIENT_ID, token_url=TOKEN_URL):
        if "\n" not in bad.token:  # a header cannot contain a line break
            value = f"Bearer {bad.token}".strip()
            cases.append(Case(bad.name, (("Authorization", value),), 401, str(bad.reason)))
    assert len(cases) > 60
    return cases


@dataclass(frozen=True, slots=True)
class Site:
    """An adapter that is being served, and the record of its handler's runs."""

    send: Send
    runs: Runs


@pytest.fixture(scope="module", params=list(ADAPTERS))
def site(request: pytest.FixtureRequest, by_case: ByCase) -> Iterator[Site]:
    """Serve each adapter in turn."""
    runs = Runs()
    with ADAPTERS[request.param](by_case, runs) as send:
        yield Site(send, runs)


def _bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("Authorization", f"Bearer {token}"),)


def test_a_verified_request(site: Site, signer: HookSigner) -> None:
    """A verified request runs the handler once; header name and scheme ignore case."""
    token = signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)
    for headers in (_bearer(token), (("AUTHORIZATION", f"bearer {token}"),)):
        site.runs.hooks.clear()
        reply = site.send(headers)
        assert (reply.status, json.loads(reply.body)) == (200, {"subject": CLIENT_ID})
        [hook] = site.runs.hooks
        assert (hook.kid, hook.client_id or hook.issuer) == (signer.kid, CLIENT_ID)


def test_refused_requests(site: Site, by_case: ByCase, cases: list[Case]) -> None:
    """Every adapter refuses a bad request with the same status, body and headers.

    The response reveals nothing of the token, and the handler does not run.
    """
    site.runs.hooks.clear()
    for case in cases:
        reply = site.send(case.headers)
        expected = Guard(by_case).check(case.headers)
        assert isinstance(expected, HttpRefusal)
        problem = json.loads(reply.body)
        assert (case.name, reply.status, problem["reason"]) == (case.name, case.status, case.reason)
        assert (reply.status, reply.body) == (expected.status, expected.body)
        for name, value in expected.headers:
            assert (case.name, reply.headers[name.lower()]) == (case.name, value)
        _reveals_nothing(case, reply)
    assert site.runs.hooks == []


def _reveals_nothing(case: Case, reply: Reply) -> None:
    visible = reply.body.decode() + " ".join(f"{k}: {v}" for k, v in reply.headers.items())
    assert "secret" not in visible
    assert "Traceback" not in visible
    for name, value in case.headers:
        for segment in value.replace(",", " ").replace(".", " ").split():
            short = name == "X-Case" or len(segment) < 12
            assert short or segment not in visible, case.name


def test_what_the_headers_say(site: Site, cases: list[Case]) -> None:
    """Refusals have ``WWW-Authenticate`` as in RFC 6750 and ``Retry-After`` as in RFC 9110."""
    by_name = {case.name: site.send(case.headers).headers for case in cases[:17]}
    assert by_name["no header"]["www-authenticate"] == "Bearer"
    assert by_name["two words"]["www-authenticate"].startswith('Bearer error="invalid_token"')
    assert 'scope="hooks"' in by_name["scoped"]["www-authenticate"]
    assert 'error="insufficient_scope"' in by_name["scoped"]["www-authenticate"]
    assert by_name["down"]["retry-after"] == "3"
    assert by_name["throttled"]["retry-after"] == "30"
    for name in ("down", "misconfigured"):
        assert "www-authenticate" not in by_name[name]
    assert by_name["down"]["content-type"] == "application/problem+json"
    assert by_name["down"]["cache-control"] == "no-store"


def test_the_handlers_own_exceptions(site: Site, signer: HookSigner) -> None:
    """An exception in the handler gives the framework's 500 response, not a problem document."""
    site.runs.hooks.clear()
    claims = {"iss": CLIENT_ID, "sub": CLIENT_ID, "aud": TOKEN_URL, "boom": 1}
    token = signer.sign({**claims, "exp": int(time.time()) + 300})
    reply = site.send(_bearer(token))
    assert reply.status == 500
    assert b"reason" not in reply.body
    assert len(site.runs.hooks) == 1
