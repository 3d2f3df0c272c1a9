"""pytest fixtures: a local Okta org for each test, and the requests that Okta sends.

The fixtures are installed with the package (entry point ``pytest11``) and import nothing until they
are used. The org requires the extra ``emulator``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from ..emulator import OktaEmulator
    from ..emulator.verdict import Delivery
    from ..signer import HookSigner
    from .zoo import BadToken

__all__ = [
    "assert_valid_reply",
    "bad_access_tokens",
    "bad_tokens",
    "fire_hook",
    "hook_access_token",
    "hook_key",
    "hook_request",
    "hook_signer",
    "okta_emulator",
]

CLIENT_ID = "0oa1hookclient4x7"
"""The client id in the tokens of the fixtures and of the documentation."""
POOL = 3
"""The number of RSA keys that all tests share, because generating one takes 0.1 seconds."""


@pytest.fixture(scope="session")
def _rsa_keys() -> Callable[[], RSAPrivateKey]:
    from ..emulator.rsa_keys import new_rsa_key  # noqa: PLC0415 - only if it is used

    keys: list[RSAPrivateKey] = []
    handed_out = 0

    def next_key() -> RSAPrivateKey:
        nonlocal handed_out
        handed_out += 1
        if len(keys) < POOL:
            keys.append(new_rsa_key())
            return keys[-1]
        return keys[handed_out % POOL]

    return next_key


@pytest.fixture
def okta_emulator(_rsa_keys: Callable[[], RSAPrivateKey]) -> Iterator[OktaEmulator]:
    """An empty local Okta org over HTTP, with ``.url``, ``.api_token`` and ``.issuer``.

    All tests share a pool of RSA keys, so two hook keys may have the same key material, but never
    the same keyId.
    """
    from ..emulator import OktaEmulator  # noqa: PLC0415

    with OktaEmulator(new_key=_rsa_keys) as okta:
        yield okta


@pytest.fixture
def hook_key(okta_emulator: OktaEmulator) -> dict[str, Any]:
    """A hook key of the org, as returned by Okta when it is created."""
    return okta_emulator.create_key("pytest")


@pytest.fixture
def hook_signer(okta_emulator: OktaEmulator, hook_key: dict[str, Any]) -> HookSigner:
    """A signer with ``hook_key``."""
    return okta_emulator.signer(hook_key["keyId"])


@pytest.fixture
def bad_tokens(hook_signer: HookSigner) -> Callable[..., tuple[BadToken, ...]]:
    """``bad_tokens(client_id=…, token_url=…)``: bad assertions, signed with ``hook_key``.

    ``parametrize`` needs tokens before fixtures exist. For it, use
    ``hookkey_verify.testing.bad_tokens`` with your own signer.
    """
    from .zoo import bad_tokens as make  # noqa: PLC0415

    def zoo(*, client_id: str, token_url: str) -> tuple[BadToken, ...]:
        return make(hook_signer, client_id=client_id, token_url=token_url)

    return zoo


@pytest.fixture
def hook_access_token(okta_emulator: OktaEmulator) -> Callable[..., str]:
    """``hook_access_token(client_id=…, audience=…, scopes=…)``: an access token for the hook.

    The org's authorization server issues it, for ``IssuerKeys(okta_emulator.issuer)``. The defaults
    are the client "0oa1hookclient4x7", the audience "api://hooks" and the scope "hooks".
    """

    def access_token(
        *,
        client_id: str = CLIENT_ID,
        audience: str | None = None,
        scopes: Collection[str] = ("hooks",),
    ) -> str:
        return okta_emulator.access_token(client_id, audience=audience, scopes=scopes)

    return access_token


@pytest.fixture
def bad_access_tokens(okta_emulator: OktaEmulator) -> Callable[..., tuple[BadToken, ...]]:
    """``bad_access_tokens(client_id=…, audience=…, scopes=…)``: bad access tokens.

    They are signed with the key of the org's authorization server, for
    ``IssuerKeys(okta_emulator.issuer)``. The defaults are those of ``hook_access_token``.
    """
    from .zoo import bad_access_tokens as make  # noqa: PLC0415

    def zoo(
        *,
        client_id: str = CLIENT_ID,
        audience: str | None = None,
        scopes: Collection[str] = ("hooks",),
    ) -> tuple[BadToken, ...]:
        server = okta_emulator.authorization_server
        return make(
            server.signer,
            issuer=okta_emulator.issuer,
            audience=server.audience if audience is None else audience,
            client_id=client_id,
            scopes=scopes,
        )

    return zoo


@pytest.fixture
def hook_request() -> Callable[..., dict[str, Any]]:
    """``hook_request(token, framework="flask", type=…, variant=…)``: the request that Okta sends.

    For Flask, FastAPI, Starlette and Django, it returns arguments of ``client.post(path, **…)``.
    See ``hookkey_verify.testing.hook_request``.
    """
    from .requests import hook_request as make  # noqa: PLC0415

    return make


@pytest.fixture
def fire_hook(okta_emulator: OktaEmulator) -> Callable[..., Delivery]:
    """``fire_hook(uri, type=…, key=…, …)``: create an inline hook and let the org call it.

    It takes the arguments of ``OktaEmulator.create_hook``, and ``body`` and ``variant`` of
    ``OktaEmulator.fire``.
    """
    count = 0

    def fire(
        uri: str, *arguments: Any, body: Any = None, variant: str | None = None, **options: Any
    ) -> Delivery:
        nonlocal count
        count += 1
        made = okta_emulator.create_hook(uri, *arguments, **{"name": f"pytest {count}", **options})
        return okta_emulator.fire(made["id"], body, variant=variant)

    return fire


@pytest.fixture
def assert_valid_reply() -> Callable[..., None]:
    """``assert_valid_reply(TokenHook, reply, request=…, warnings=False)``: check a reply.

    See ``hookkey_verify.testing.assert_valid_reply``.
    """
    from .replies import assert_valid_reply as check  # noqa: PLC0415

    return check
