"""Helpers that exchange one request with a server that misbehaves on purpose."""

from __future__ import annotations

import pytest

from hookkey_verify import ApiToken
from hookkey_verify._runtime.clock import monotonic_clock
from hookkey_verify.errors import HookKeyApiError
from hookkey_verify.okta.http import Answer
from hookkey_verify.okta.transport import OktaTransport

from ..faults import Behaviour, FaultServer

SECRET = "00s3cr3tTokenOfTheTests"
PATH = "/api/v1/hook-keys"
UNREACHABLE = "The Okta management API is unreachable: "
CUT_OFF = "the exchange failed (ProtocolError)"
LOST = "the connection was refused or lost"


def exchange(url: str, *, seconds: float = 5, proxies: dict[str, str] | None = None) -> Answer:
    transport = OktaTransport(url, ApiToken(SECRET), proxies=proxies)
    try:
        return transport.exchange("GET", PATH, deadline=monotonic_clock() + seconds)
    finally:
        transport.close()


def refusal(behaviour: Behaviour, *, seconds: float = 5) -> HookKeyApiError:
    """Send one request to a server with this behaviour and return the error that is raised."""
    with FaultServer(behaviour) as server, pytest.raises(HookKeyApiError) as caught:
        exchange(server.url, seconds=seconds).json_object()
    return caught.value
