"""TokenEndpoint: responses when a key source, a store or a clock fails, and what is logged."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from hookkey_verify import HookSigner, StaticKeys, TokenEndpoint
from hookkey_verify.errors import (
    HookVerificationError,
    KeySourceConfigurationError,
    KeyUnavailableError,
)
from hookkey_verify.replay import MemoryReplayStore

from .token_requests import SECRET, Run, asked, endpoint_of, error, verifier_of


class FailingSource:
    """A key source that raises the given error for every kid."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def get(self, kid: str, *, algorithm: str | None = None, deadline: float | None = None) -> Any:
        raise self.error

    async def aget(
        self, kid: str, *, algorithm: str | None = None, deadline: float | None = None
    ) -> Any:
        raise self.error

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (KeyUnavailableError("x", retry_after=7), 503, "temporarily_unavailable"),
        (OSError("x"), 503, "temporarily_unavailable"),
        (KeySourceConfigurationError("x"), 500, "server_error"),
    ],
)
def test_keys_that_cannot_be_had(
    signer: HookSigner, ask: Run, failure: Exception, status: int, code: str
) -> None:
    """Unavailable keys yield 503 with Retry-After; a wrong configuration yields 500."""
    endpoint = endpoint_of(verifier_of(FailingSource(failure)))
    answer = ask(endpoint, asked(signer))
    assert error(answer) == (status, code)
    assert ("Retry-After" in dict(answer.headers)) is (status == 503)
    if isinstance(failure, KeyUnavailableError):
        assert dict(answer.headers)["Retry-After"] == "7"


def test_a_full_replay_store(keys: StaticKeys, signer: HookSigner, ask: Run) -> None:
    """A full replay store yields 503, because it must not forget a jti that is still valid."""
    store = MemoryReplayStore(max_entries=1, single_process=True)
    endpoint = endpoint_of(verifier_of(keys, replay=store))
    assert ask(endpoint, asked(signer)).status == 200
    assert error(ask(endpoint, asked(signer))) == (503, "temporarily_unavailable")


def test_a_clock_that_fails(keys: StaticKeys, signer: HookSigner, ask: Run) -> None:
    """A clock that raises yields a 500 response; the endpoint itself does not raise."""

    def clock() -> float:
        raise OSError

    endpoint = endpoint_of(verifier_of(keys), clock=clock)
    assert error(ask(endpoint, asked(signer))) == (500, "server_error")


class TextlessError(HookVerificationError):
    """An error of an application, whose text cannot be read."""

    def __str__(self) -> str:
        raise ZeroDivisionError("a secret")


class HeaderlessError(KeyUnavailableError):
    """An error of an application, whose headers cannot be read."""

    @property
    def headers(self) -> Any:
        raise ZeroDivisionError("a secret")


class ReasonlessError(HookVerificationError):
    """An error of an application, whose reason cannot be read."""

    @property
    def reason(self) -> Any:  # type: ignore[override]
        raise ZeroDivisionError("a secret")


@pytest.mark.parametrize("failure", [TextlessError("x"), HeaderlessError("x")])
def test_an_error_that_cannot_be_read(
    signer: HookSigner, ask: Run, failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """An error whose text or headers raise yields 500, and the log has both types."""
    answer = ask(endpoint_of(verifier_of(FailingSource(failure))), asked(signer))
    assert error(answer) == (500, "server_error")
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.getMessage() == f"{type(failure).__name__} raised ZeroDivisionError"
    assert "a secret" not in caplog.text


def test_an_error_without_a_reason(
    signer: HookSigner, ask: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """An error whose reason raises is answered by its class, with the reason "unspecified"."""
    caplog.set_level(logging.INFO)
    answer = ask(endpoint_of(verifier_of(FailingSource(ReasonlessError("x")))), asked(signer))
    assert error(answer) == (401, "invalid_client")
    (record,) = caplog.records
    assert record.hookkey_reason == "unspecified"  # type: ignore[attr-defined]
    assert "a secret" not in caplog.text


def test_nothing_is_logged_that_is_secret(
    endpoint: TokenEndpoint, signer: HookSigner, ask: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """The endpoint logs refusals, but no assertion, secret or token."""
    caplog.set_level(logging.DEBUG)
    form = asked(signer)
    answer = ask(endpoint, form)
    ask(endpoint, form)
    ask(endpoint, {**form, "grant_type": "x"})
    wrong = {"client_id": "0oasecret", "client_secret": "wr0ng", "grant_type": "client_credentials"}
    ask(endpoint, wrong)
    assert caplog.text.count("a token was refused") == 3
    for secret in (form["client_assertion"], "wr0ng", json.loads(answer.body)["access_token"]):
        assert secret not in caplog.text
        assert secret.rpartition(".")[2] not in caplog.text
    assert SECRET not in repr(endpoint)
