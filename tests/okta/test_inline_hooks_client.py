"""InlineHooksClient and AsyncInlineHooksClient: each endpoint, and each declared status."""

from __future__ import annotations

import asyncio
import copy
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from hookkey_verify import ConfigurationError
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import (
    AuthenticationError,
    ForbiddenError,
    HookKeyApiError,
    NotFoundError,
    RateLimitedError,
    TransportError,
    ValidationFailedError,
)
from hookkey_verify.okta import ApiToken, AsyncInlineHooksClient, InlineHooksClient

from ..faults import (
    MARK,
    FaultServer,
    all_text,
    answer,
    hang_up,
    json_answer,
    okta_error,
    redirect,
)
from .conftest import Naps
from .exchanges import SECRET
from .inline_hook_examples import (
    OAUTH,
    PATH,
    SAML,
    TOKEN,
    TOKEN_URL,
    URI,
    VALUE,
    by_header,
    calling,
)


def test_the_life_of_a_hook(okta: OktaEmulator, hooks: InlineHooksClient) -> None:
    """Each call of a hook's life, from its creation to its deletion, sends one request."""
    hook = by_header(hooks, headers={"X-Team": "blue"}, method="PUT", version="1.0.1")
    assert hook.id.startswith("cal")
    assert (hook.name, hook.type, hook.status, hook.version) == ("claims", TOKEN, "ACTIVE", "1.0.1")
    assert (hook.uri, hook.method, dict(hook.headers)) == (URI, "PUT", {"X-Team": "blue"})
    assert (hook.channel_type, hook.auth_header) == ("HTTP", "Authorization")
    assert hook.authentication == "auth_header"
    assert hook.created is not None
    assert abs(hook.created.timestamp() - time.time()) < 10
    assert hooks.list() == [hook]
    assert hooks.list(TOKEN) == [hook]
    assert hooks.list(SAML) == []
    assert hooks.get(hook.id) == hook
    assert hooks.deactivate(hook.id).status == "INACTIVE"
    assert hooks.activate(hook.id).status == "ACTIVE"
    hooks.deactivate(hook.id)
    hooks.delete(hook.id)
    assert hooks.list() == []
    requests = [(line.method, line.path, line.status) for line in okta.requests]
    one = f"{PATH}/{hook.id}"
    assert requests == [
        ("POST", PATH, 200),
        *[("GET", PATH, 200)] * 3,
        ("GET", one, 200),
        ("POST", f"{one}/lifecycle/deactivate", 200),
        ("POST", f"{one}/lifecycle/activate", 200),
        ("POST", f"{one}/lifecycle/deactivate", 200),
        ("DELETE", one, 204),
        ("GET", PATH, 200),
    ]


def test_the_three_ways_to_authenticate(okta: OktaEmulator, hooks: InlineHooksClient) -> None:
    """``create`` makes hooks with a header, a client secret and a hook key."""
    key = okta.create_key("token hook")
    header = hooks.create("one", TOKEN, URI, auth_header=("X-Secret", VALUE))
    secret = hooks.create("two", TOKEN, URI, client_secret=VALUE, scope="a b", **OAUTH)
    signed = hooks.create("three", SAML, URI, hook_key_id=key["id"], **OAUTH)
    ways = [hook.authentication for hook in (header, secret, signed)]
    assert ways == ["auth_header", "client_secret_post", "private_key_jwt"]
    assert (secret.auth_type, secret.scope) == ("client_secret_post", "a b")
    assert (secret.client_id, secret.token_url) == ("0oa1", TOKEN_URL)
    assert (secret.hook_key_id, secret.auth_header) == (None, None)
    assert (signed.auth_type, signed.hook_key_id) == ("private_key_jwt", key["id"])
    assert okta.hooks.get(header.id).auth_header == ("X-Secret", VALUE)
    assert okta.hooks.get(secret.id).client_secret == VALUE
    for hook in (header, secret, signed):
        assert VALUE not in f"{hook!r} {dict(hook.raw)}"


def test_every_method_is_awaitable(okta: OktaEmulator) -> None:
    """The asynchronous client has the same methods with the same results."""

    async def main(uri: str) -> None:
        async with AsyncInlineHooksClient(okta.url, ApiToken(okta.api_token)) as client:
            header = ("Authorization", VALUE)
            hook = await client.create("claims", TOKEN, uri, auth_header=header)
            assert await client.list() == [hook]
            assert await client.list(SAML) == []
            assert await client.get(hook.id) == hook
            assert await client.execute(hook.id, {"mine": 1}) == {"commands": []}
            changed = await client.replace(hook.id, name="other", auth_header=header)
            assert changed.name == "other"
            assert (await client.deactivate(hook.id)).status == "INACTIVE"
            assert (await client.activate(hook.id)).status == "ACTIVE"
            await client.deactivate(hook.id)
            await client.delete(hook.id)
            assert await client.list() == []
            assert client.org_url == okta.url
            assert repr(client) == f"AsyncInlineHooksClient({okta.url!r})"
            with pytest.raises(ConfigurationError, match="AsyncInlineHooksClient cannot be"):
                copy.copy(client)

    with FaultServer(json_answer(200, {"commands": []})) as handler:
        asyncio.run(main(f"{handler.url}/hook"))


def test_settings_of_the_environment(okta: OktaEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """``from_env`` reads the org and the credentials from Okta's variables."""
    monkeypatch.setenv("OKTA_CLIENT_ORGURL", okta.url)
    monkeypatch.setenv("OKTA_CLIENT_TOKEN", okta.api_token)
    with InlineHooksClient.from_env() as client:
        assert client.list() == []
        assert repr(client) == f"InlineHooksClient({okta.url!r})"
        with pytest.raises(ConfigurationError, match="InlineHooksClient cannot be pickled"):
            copy.copy(client)
    assert isinstance(AsyncInlineHooksClient.from_env(), AsyncInlineHooksClient)


def test_a_full_org_is_listed(okta: OktaEmulator, hooks: InlineHooksClient) -> None:
    """The list of 100 hooks with headers and long names is accepted."""
    headers = [{"key": f"X-Header-{number}", "value": "v" * 100} for number in range(10)]
    for number in range(100):
        name = f"{number:03}" + "\N{SNOWMAN}" * 252
        config = {"uri": f"{URI}?{'q' * 900}", "headers": headers}
        channel = {"type": "HTTP", "config": config}
        okta.hooks.create({"name": name, "type": TOKEN, "channel": channel})
    listed = hooks.list()
    assert len(listed) == 100
    assert all(len(hook.headers) == 10 for hook in listed)
    with pytest.raises(ValidationFailedError, match="100 inline hooks, which is the limit"):
        by_header(hooks)


def test_execute_returns_the_reply(hooks: InlineHooksClient) -> None:
    """``execute`` lets Okta send the payload to the handler, and returns the reply."""
    reply = {"commands": [{"type": "com.okta.access.patch", "value": []}]}
    long = {**reply, "debugContext": {"x": ["y" * 50] * 2_000}}
    with FaultServer(json_answer(200, reply), answer(204), json_answer(200, long)) as handler:
        hook = hooks.create("claims", TOKEN, f"{handler.url}/h", auth_header=("X-Secret", VALUE))
        assert hooks.execute(hook.id, {"mine": [1, None]}) == reply
        assert handler.requests[0].headers["x-secret"] == VALUE
        assert json.loads(handler.requests[0].body) == {"mine": [1, None]}
        assert hooks.execute(hook.id, {}) == {}
        assert hooks.execute(hook.id, {}) == long


@pytest.mark.parametrize("behaviour", [json_answer(401, {}), answer(200, b"<html>"), hang_up])
def test_execute_of_a_handler_that_fails(hooks: InlineHooksClient, behaviour: Any) -> None:
    """A handler that fails raises ``ValidationFailedError``, as Okta documents 400."""
    with FaultServer(behaviour) as handler:
        hook = hooks.create("claims", TOKEN, f"{handler.url}/h", auth_header=("X-Secret", VALUE))
        with pytest.raises(ValidationFailedError, match="the handler failed") as caught:
            hooks.execute(hook.id, {})
    assert caught.value.status == 400
    assert caught.value.causes
    assert VALUE not in all_text(caught.value)


@pytest.mark.parametrize(
    ("status", "code"), [(502, "E0000134"), (400, "E0000135"), (504, "E0000137")]
)
def test_the_codes_of_a_handler_that_fails(status: int, code: str) -> None:
    """Okta's three codes for a failed handler mean no outage, whatever their status."""
    with FaultServer(json_answer(status, okta_error(code))) as server:
        with calling(server.url) as client, pytest.raises(ValidationFailedError) as caught:
            client.execute("cal1", {})
        assert (caught.value.error_code, caught.value.retryable) == (code, False)
        assert len(server.requests) == 1


def test_an_outage_during_execute() -> None:
    """Other errors of the org stay what they are."""
    with FaultServer(json_answer(504, okta_error("E0000009"))) as server:
        with calling(server.url) as client, pytest.raises(TransportError):
            client.execute("cal1", {})


@pytest.mark.parametrize(
    ("reply", "returned"), [(answer(200, b""), {}), (answer(204), {}), (answer(200, b" {} "), {})]
)
def test_an_execute_without_a_body(reply: Any, returned: dict[str, Any]) -> None:
    """A response without a body is an empty reply."""
    with FaultServer(reply) as server, calling(server.url) as client:
        assert client.execute("cal1", {}) == returned


def _nested(depth: int) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for _ in range(depth):
        document = {"a": document}
    return document


@pytest.mark.parametrize(
    "payload",
    [None, [], "{}", 5, b"{}", {"a": object()}, {"a": float("nan")}, {"a": {1}}, {(1,): 1}]
    + [_nested(100_000)],
    ids=lambda value: repr(type(value)),
)
def test_a_payload_that_is_not_json(
    okta: OktaEmulator, hooks: InlineHooksClient, payload: Any
) -> None:
    """A payload that cannot be written as JSON is refused before any request."""
    with pytest.raises(ConfigurationError, match="payload must"):
        hooks.execute("cal1", payload)
    assert len(okta.requests) == 0


def test_a_payload_that_is_too_large(hooks: InlineHooksClient) -> None:
    """A payload that the org refuses for its size raises one of our errors."""
    with pytest.raises(HookKeyApiError):
        hooks.execute(by_header(hooks).id, {"a": "x" * 5_000_000})


def test_an_active_hook_is_not_deleted(okta: OktaEmulator, hooks: InlineHooksClient) -> None:
    """Deleting an active hook raises an error that says to deactivate it, and the hook remains."""
    hook = by_header(hooks)
    with pytest.raises(ValidationFailedError, match="deactivate it first"):
        hooks.delete(hook.id)
    assert hooks.get(hook.id) == hook
    hooks.deactivate(hook.id)
    okta.fail(400, method="DELETE", times=2)
    for _ in range(2):
        with pytest.raises(ValidationFailedError) as caught:
            hooks.delete(hook.id)
        assert "deactivate" not in str(caught.value)
        okta.fail(403, method="GET")


@pytest.fixture(params=["sync", "async"])
def call_all(request: pytest.FixtureRequest) -> Callable[[str], list[HookKeyApiError]]:
    """Call every method of a client; return the errors."""

    def calls(client: Any) -> list[Callable[[], Any]]:
        return [
            client.list,
            lambda: client.list(TOKEN),
            lambda: client.get("cal1"),
            lambda: client.create("n", TOKEN, URI, auth_header=("X-A", VALUE)),
            lambda: client.replace("cal1", name="n"),
            lambda: client.activate("cal1"),
            lambda: client.deactivate("cal1"),
            lambda: client.delete("cal1"),
            lambda: client.execute("cal1", {}),
        ]

    def sync(url: str) -> list[HookKeyApiError]:
        errors = []
        with calling(url) as client:
            for call in calls(client):
                with pytest.raises(HookKeyApiError) as caught:
                    call()
                errors.append(caught.value)
        return errors

    async def main(url: str) -> list[HookKeyApiError]:
        errors = []
        async with AsyncInlineHooksClient(url, ApiToken(SECRET), max_wait=0) as client:
            for call in calls(client):
                with pytest.raises(HookKeyApiError) as caught:
                    await call()
                errors.append(caught.value)
        return errors

    return sync if request.param == "sync" else lambda url: asyncio.run(main(url))


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (json_answer(400, okta_error("E0000001")), ValidationFailedError),
        (json_answer(401, okta_error("E0000011")), AuthenticationError),
        (json_answer(401, okta_error("E0000015")), ForbiddenError),
        (json_answer(403, okta_error("E0000006")), ForbiddenError),
        (json_answer(404, okta_error("E0000007")), NotFoundError),
        (json_answer(405, okta_error("E0000022")), HookKeyApiError),
        (json_answer(409, okta_error("E0000001")), HookKeyApiError),
        (json_answer(413, {}), HookKeyApiError),
        (json_answer(429, okta_error("E0000047")), RateLimitedError),
        (json_answer(500, okta_error("E0000009")), TransportError),
        (answer(502, b"<html>"), TransportError),
        (answer(404, b"<html>"), TransportError),
        (redirect(302, "https://evil.example/"), TransportError),
        (hang_up, TransportError),
    ],
)
def test_every_call_raises_the_error_that_fits(
    behaviour: Any, kind: type[HookKeyApiError], call_all: Callable[[str], list[HookKeyApiError]]
) -> None:
    """Every method raises the error for the status, without the token, a secret or the body."""
    with FaultServer(behaviour) as server:
        errors = call_all(server.url)
    for error in errors:
        assert type(error) is kind
        assert SECRET not in all_text(error)
        assert VALUE not in all_text(error)
        assert MARK not in str(error)


@pytest.mark.parametrize(
    "behaviour",
    [
        answer(200, b"<html>", "Content-Type: text/html"),
        answer(200, b"<html>"),
        answer(200, b"null"),
        answer(200, b"[null]"),
        answer(200, b'["a"]'),
        answer(200, b'[{"id": "a/b"}]'),
        answer(200, b'{"a": 1, "a": 2}'),
        answer(200, b'"' + b"x" * (1024 * 1024) + b'"'),
        answer(200, b"[" * 100_000),
    ],
    ids=[
        "html",
        "no type",
        "null",
        "list of null",
        "list of text",
        "bad id",
        "a name twice",
        "too large",
        "too deep",
    ],
)
def test_responses_that_are_not_of_okta(behaviour: Any) -> None:
    """A response that is not a hook, or not a list of hooks, raises ``TransportError``."""
    with FaultServer(behaviour) as server, calling(server.url) as client:
        for call in (
            client.list,
            lambda: client.get("cal1"),
            lambda: client.activate("cal1"),
            lambda: client.replace("cal1", name="n"),
        ):
            with pytest.raises(TransportError):
                call()


def test_a_missing_permission_is_named(okta: OktaEmulator, hooks: InlineHooksClient) -> None:
    """A 403 says which role and scope the call needs; reading needs less than changing."""
    okta.fail(403, times=3)
    with pytest.raises(ForbiddenError, match=r"okta\.inlinehooks\.read .* okta\.inlineHooks\.read"):
        hooks.list()
    with pytest.raises(ForbiddenError, match=r"okta\.inlinehooks\.manage .*Hooks\.manage"):
        by_header(hooks)
    with pytest.raises(ForbiddenError, match=r"okta\.inlinehooks\.manage .*Hooks\.manage"):
        hooks.execute("cal1", {})


def test_only_idempotent_calls_are_repeated(
    okta: OktaEmulator, hooks: InlineHooksClient, naps: Naps
) -> None:
    """GET, PUT and DELETE wait for the rate limit and are repeated, POST is not."""
    made = okta.create_hook(URI, name="open")
    for method in ("GET", "PUT"):
        okta.fail(429, method=method)
        hooks.replace(made["id"], uri=f"{URI}/{method}")
    hooks.deactivate(made["id"])
    assert len(naps.slept) == 2
    for call in (hooks.activate, hooks.deactivate, lambda id_: hooks.execute(id_, {})):
        okta.fail(429, method="POST")
        with pytest.raises(RateLimitedError):
            call(made["id"])
    okta.fail(503, method="DELETE", after=True)
    hooks.delete(made["id"])
    assert len(naps.slept) == 3


@pytest.mark.parametrize(
    "id_", ["", ".", "..", "a/b", "a?b", "a%2e", "\u2603", "x" * 65, None, 5, "a\n"], ids=ascii
)
def test_ids_are_checked_before_the_call(
    okta: OktaEmulator, hooks: InlineHooksClient, id_: Any
) -> None:
    """An id must be one plain path segment; the client checks it before any request."""
    calls = (hooks.get, hooks.activate, hooks.deactivate, hooks.delete)
    for call in (*calls, lambda i: hooks.replace(i, name="n"), lambda i: hooks.execute(i, {})):
        with pytest.raises(ConfigurationError, match="id must be 1 to 64 letters"):
            call(id_)
    for kind in ("", "a&b=c", "x" * 256, 5):
        with pytest.raises(ConfigurationError, match="type must be Okta's name"):
            hooks.list(kind)  # type: ignore[arg-type]
    assert len(okta.requests) == 0
