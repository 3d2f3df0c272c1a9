"""``hookkey why`` names the cause of failures that are seeded in the emulator."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from flask import Flask

from hookkey_verify import ApiToken, HookSigner, HookVerifier, IssuerKeys
from hookkey_verify.cli.handler_logs import HandlerLogs
from hookkey_verify.cli.why import EVERY, RETRY
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.flask import protect
from hookkey_verify.okta.system_log import SystemLogClient

from ..certificates import server_tls
from ..conftest import KeyPool
from ..faults import (
    Behaviour,
    FaultServer,
    answer,
    hang_up,
    json_answer,
    redirect,
    silence,
)
from ..servers import free_port, wsgi_server
from .shell import Shell, findings_of, on_a_terminal

REGISTRATION = "com.okta.user.pre-registration"
TELEPHONY = "com.okta.telephony.provider"
ISSUED = {"access_token": "T0KEN", "expires_in": 300}
LEAK = "s3cret-value"


@dataclass
class Seeding:
    """An org and what its hooks call, for the functions below that let one hook fail."""

    okta: OktaEmulator
    directory: Path
    stack: ExitStack = field(default_factory=ExitStack)

    def served(self, *behaviours: Behaviour, **options: Any) -> str:
        return self.stack.enter_context(FaultServer(*behaviours, **options)).url

    def fire(self, uri: str, *, body: dict[str, Any] | None = None, **options: Any) -> None:
        hook = self.okta.create_hook(uri, name="Seeded", **options)
        self.okta.fire(hook["id"], body)

    def replied(self, reply: object, *, body: dict[str, Any] | None = None, **options: Any) -> None:
        self.fire(self.served(json_answer(200, reply)), body=body, **options)

    def with_token(self, behaviour: Behaviour) -> None:
        url = self.served(behaviour)
        self.fire("http://127.0.0.1:9/", token_url=url, client_id="c", client_secret=LEAK)


def patch(*operations: dict[str, Any], kind: str = "access") -> dict[str, Any]:
    return {"commands": [{"type": f"com.okta.{kind}.patch", "value": [*operations]}]}


def error(summary: object) -> dict[str, Any]:
    return {"error": {"errorSummary": summary}}


def _tls(seeding: Seeding) -> None:
    context, _ = server_tls(seeding.directory)
    seeding.fire(seeding.served(json_answer(200, {}), tls=context))


def _recursion(seeding: Seeding) -> None:
    okta = seeding.okta
    hook = okta.create_hook(seeding.served(json_answer(200, {})), name="Seeded", client_secret=LEAK)
    okta.call_hook_for_tokens(hook["id"])
    okta.fire(hook["id"])


def _missing_key(seeding: Seeding) -> None:
    okta = seeding.okta
    key = okta.create_key("k")
    hook = okta.create_hook("http://127.0.0.1:9/", name="Seeded", key=key)
    okta.delete_key(key["id"])
    okta.fire(hook["id"])


def _clock(seeding: Seeding) -> None:
    okta = seeding.okta
    app = Flask(__name__)
    verifier = HookVerifier.for_access_token(
        IssuerKeys(okta.issuer), audience="api://hooks", client_id=None
    )
    app.post("/hook")(protect(verifier)(lambda: {}))
    port = seeding.stack.enter_context(wsgi_server(app))
    okta.skew(600)
    seeding.fire(f"http://127.0.0.1:{port}/hook", client_secret=LEAK)


def _clock_without_token(seeding: Seeding) -> None:
    seeding.okta.skew(600)
    seeding.fire(seeding.served(answer(401)), secret=("X-Secret", LEAK))


MISSING = {"op": "replace", "path": "/claims/nothing", "value": 1}
NO_PARENT = {"op": "add", "path": "/claims/a/b", "value": 1}
NO_VALUE = {"op": "add", "path": "/claims/a"}
ADDED = {"op": "add", "path": "/claims/a", "value": 1}
NO_IDENTITY: dict[str, Any] = {"data": {"access": {"claims": {}}}}

SEEDS: dict[str, tuple[str, str, Callable[[Seeding], None]]] = {
    # The ten kinds that must be named.
    "no answer": ("no_answer", "", lambda s: s.fire(s.served(silence))),
    "status 500": ("status", "500", lambda s: s.fire(s.served(answer(500)))),
    "not JSON": ("unreadable_reply", "", lambda s: s.fire(s.served(answer(200, b"{'a': 1}")))),
    "missing claim": ("path_not_found", "/claims/nothing", lambda s: s.replied(patch(MISSING))),
    "no value": ("value_missing", "/claims/a", lambda s: s.replied(patch(NO_VALUE))),
    "no ID token": (
        "no_id_token",
        "",
        lambda s: s.replied(patch(ADDED, kind="identity"), body=NO_IDENTITY),
    ),
    "own error": ("own_error", "", lambda s: s.replied(error("Not found."))),
    "token refused": (
        "token_fetch",
        "401",
        lambda s: s.with_token(json_answer(401, {"error": "invalid_client"})),
    ),
    "refused": ("not_connected", "", lambda s: s.fire(f"http://127.0.0.1:{free_port()}/")),
    "recursion": ("recursion", "", _recursion),
    # Others.
    "TLS": ("tls", "", _tls),
    "clock": ("clock_skew", "401", _clock),
    "status 401": ("status", "401", lambda s: s.fire(s.served(answer(401)))),
    "status 404": ("status", "404", lambda s: s.fire(s.served(answer(404)))),
    "status 202": ("status", "202", lambda s: s.fire(s.served(json_answer(202, {})))),
    "redirect": ("status", "302", lambda s: s.fire(s.served(redirect(302, "https://a.b/")))),
    "hang up": ("not_connected", "", lambda s: s.fire(s.served(hang_up))),
    "unknown host": ("not_connected", "", lambda s: s.fire("https://nothing.invalid/")),
    "slow token": ("no_answer", "", lambda s: s.with_token(silence)),
    "no expires_in": (
        "token_fetch",
        "",
        lambda s: s.with_token(json_answer(200, {"access_token": "a"})),
    ),
    "token not JSON": ("token_fetch", "", lambda s: s.with_token(answer(200, b"<html>"))),
    "token 503": ("token_fetch", "503", lambda s: s.with_token(answer(503))),
    "token lost": ("token_fetch", "", lambda s: s.with_token(hang_up)),
    "missing key": ("token_fetch", "", _missing_key),
    "not UTF-8": (
        "unreadable_reply",
        "",
        lambda s: s.fire(s.served(answer(200, b'{"a": "\xff"}'))),
    ),
    "NaN": ("unreadable_reply", "", lambda s: s.fire(s.served(answer(200, b'{"a": NaN}')))),
    "missing scope": (
        "missing_permission",
        "400",
        lambda s: s.with_token(json_answer(400, {"error": "invalid_scope"})),
    ),
    "a wrong clock, but no token": ("status", "401", _clock_without_token),
    "a list": ("unreadable_reply", "", lambda s: s.replied([])),
    "deep": ("unreadable_reply", "", lambda s: s.fire(s.served(answer(200, b"[" * 900)))),
    "deeper": ("unreadable_reply", "", lambda s: s.fire(s.served(answer(200, b"[" * 3_000)))),
    "too large": ("unreadable_reply", "", lambda s: s.replied({"a": "x" * 300_000})),
    "missing parent": ("path_not_found", "/claims/a/b", lambda s: s.replied(patch(NO_PARENT))),
    "unknown operation": (
        "rejected_reply",
        "/claims/a",
        lambda s: s.replied(patch({**ADDED, "op": "move"})),
    ),
    "no access token": (
        "rejected_reply",
        "",
        lambda s: s.replied(patch(ADDED), body={"data": {"identity": {}}}),
    ),
    "foreign command": (
        "rejected_reply",
        "",
        lambda s: s.replied({"commands": [{"type": "com.okta.assertion.patch", "value": []}]}),
    ),
    "short lifetime": (
        "rejected_reply",
        "",
        lambda s: s.replied(
            patch({"op": "replace", "path": "/token/lifetime/expiration", "value": 299})
        ),
    ),
    "reserved claim": (
        "rejected_reply",
        "",
        lambda s: s.replied(patch({"op": "add", "path": "/claims/iss", "value": "x"})),
    ),
    "remove with a value": (
        "rejected_reply",
        "",
        lambda s: s.replied(patch({"op": "remove", "path": "/claims/sub", "value": 1})),
    ),
    "not one list": ("rejected_reply", "", lambda s: s.replied({"commands": {}})),
    "telephony without a status": (
        "rejected_reply",
        "",
        lambda s: s.fire(s.served(answer(204)), type=TELEPHONY),
    ),
    "registration with a broken value": (
        "rejected_reply",
        "",
        lambda s: s.replied(
            {"commands": [{"type": "com.okta.action.update", "value": {"registration": "NO"}}]},
            type=REGISTRATION,
        ),
    ),
    "empty error of a registration": (
        "own_error",
        "",
        lambda s: s.replied({"error": {}}, type=REGISTRATION),
    ),
    "own error about time": ("own_error", "", lambda s: s.replied(error("The request timed out"))),
    "own error without text": ("own_error", "", lambda s: s.replied({"error": {"a": 1}})),
    "registration denied": (
        "own_error",
        "",
        lambda s: s.replied(error("Use your work address."), type=REGISTRATION),
    ),
}


@pytest.fixture
def seeding(okta: OktaEmulator, tmp_path: Path) -> Iterator[Seeding]:
    made = Seeding(okta, tmp_path)
    with made.stack:
        yield made


@pytest.mark.parametrize("kind", SEEDS)
def test_seeded_failures(shell: Shell, seeding: Seeding, kind: str) -> None:
    """Each seeded kind of failure has the right cause and detail, a reason and a remedy."""
    cause, detail, seed = SEEDS[kind]
    seed(seeding)
    done = shell("why", "--json")
    assert done.exit_code == 1, done.output
    (failure,) = json.loads(done.stdout)["failures"]
    assert (failure["cause"], failure["detail"]) == (cause, detail)
    assert failure["hook"]["name"] == "Seeded"
    assert (failure["count"], failure["first"]) == (1, failure["last"])
    assert failure["reason"]
    assert failure["remedy"]
    assert LEAK not in done.output
    table = shell("why", "Seeded").stdout
    assert table.startswith(f"Seeded\t{cause}")


def test_many_failures(shell: Shell, seeding: Seeding) -> None:
    """Failures of one cause are one row with their number; another hook has its own rows."""
    okta = seeding.okta
    first = okta.create_hook(seeding.served(answer(500)), name="First")
    second = okta.create_hook(seeding.served(json_answer(200, error("Closed."))), name="Second")
    for hook in (first, second, first, first):
        okta.fire(hook["id"])
    found = json.loads(shell("why", "--json").stdout)
    assert [(each["hook"]["name"], each["count"]) for each in found["failures"]] == [
        ("First", 3),
        ("Second", 1),
    ]
    for wanted in ("Second", second["id"]):
        only = json.loads(shell("why", wanted, "--json").stdout)["failures"]
        assert [each["reason"] for each in only] == ["Closed."]


def test_no_failure(shell: Shell, seeding: Seeding) -> None:
    """Without a failure the command exits with 0, prints nothing on stdout, and says so."""
    seeding.replied({})
    done = shell("why")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "failures\tok\tnone in this time" in done.stderr
    assert findings_of(shell("why", "--json"))["clock"][0] == "ok"
    assert shell("why", "Seeded", "--since", "2d").exit_code == 0


def test_the_period(shell: Shell, key_pool: KeyPool) -> None:
    """``--since`` limits the failures by Okta's clock, whatever this machine's clock is."""
    with OktaEmulator(new_key=key_pool) as okta:
        okta.skew(-7200)
        hook = okta.create_hook(f"http://127.0.0.1:{free_port()}/", name="Old")
        okta.fire(hook["id"])
        okta.skew(-3600)
        shell.env |= {"OKTA_CLIENT_ORGURL": okta.url, "OKTA_CLIENT_TOKEN": okta.api_token}
        assert shell("why", "--since", "30m").exit_code == 0
        assert shell("why", "--since", "61m").exit_code == 1
        since = datetime.fromtimestamp(time.time() - 7260, UTC).isoformat()
        done = shell("why", "--since", since)
    assert done.exit_code == 1
    assert "ahead of Okta's" in done.stderr


@pytest.mark.parametrize(
    ("since", "problem"),
    [
        ("1y", "expected a number with s, m, h or d"),
        ("0h", "expected a number"),
        ("91d", "90 days"),
        ("2026-11-20T08:15", "time zone"),
        ("0001-01-01T00:00+14:00", "from the year 2000 on"),
        ("9999-12-31T23:59-14:00", "from the year 2000 on"),
        ("", "expected a number"),
    ],
)
def test_wrong_periods(shell: Shell, since: str, problem: str) -> None:
    """A period that cannot be read is a usage error that says what is expected."""
    done = shell("why", "--since", since)
    assert done.exit_code == 2
    assert problem in done.stderr


def test_a_hook_whose_name_looks_like_an_id(shell: Shell, seeding: Seeding) -> None:
    """A hook is found by its name, even if the name has the form of an id."""
    hook = seeding.okta.create_hook(seeding.served(answer(500)), name="calendar")
    seeding.okta.fire(hook["id"])
    assert shell("why", "calendar").stdout.startswith("calendar\tstatus 500")


def test_an_unknown_hook(shell: Shell) -> None:
    """A hook that the org does not have is an error with exit code 4."""
    done = shell("why", "Nothing")
    assert done.exit_code == 4
    assert "no inline hook 'Nothing'" in done.stderr


# --- permissions


def _service_app(shell: Shell, app_key: HookSigner, directory: Path, *scopes: str) -> None:
    """Let the command sign in as a service app with these scopes."""
    client_id = shell.okta.create_service_app(app_key.public_jwk(), scopes)
    file = directory / "app.pem"
    file.write_bytes(_pem(app_key))
    shell.env |= {
        "OKTA_CLIENT_TOKEN": None,
        "OKTA_CLIENT_CLIENTID": client_id,
        "OKTA_CLIENT_PRIVATEKEY": str(file),
    }


def _pem(signer: HookSigner) -> bytes:
    key: Any = signer._key
    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem


ALL = ("okta.logs.read", "okta.inlineHooks.read", "okta.authorizationServers.read")


@pytest.mark.parametrize("missing", [(), *((scope,) for scope in ALL), ALL[1:]])
def test_missing_permissions(
    shell: Shell,
    seeding: Seeding,
    app_key: HookSigner,
    tmp_path: Path,
    missing: tuple[str, ...],
) -> None:
    """Missing scopes are named; only without okta.logs.read the command exits with 5."""
    _recursion(seeding)
    granted = [scope for scope in ALL if scope not in missing]
    _service_app(shell, app_key, tmp_path, *granted)
    done = shell("why", "--json")
    named = {check.split()[1] for check in findings_of(done) if check.startswith("permission")}
    # Without the hooks, the servers are not asked for.
    assert named == set(missing) - ({ALL[2]} if ALL[1] in missing else set())
    assert done.exit_code == (5 if ALL[0] in missing else 1)
    failures = json.loads(done.stdout)["failures"]
    causes = [failure["cause"] for failure in failures]
    if ALL[0] in missing:
        assert causes == []
        assert "recursion Seeded" in findings_of(done)
    else:
        assert causes == ["no_answer" if missing else "recursion"]


def test_no_permission_at_all(
    shell: Shell, seeding: Seeding, app_key: HookSigner, tmp_path: Path
) -> None:
    """An app without any of the scopes is told which ones are missing."""
    _service_app(shell, app_key, tmp_path, "okta.apps.read")
    done = shell("why")
    assert done.exit_code == 5
    for scope in ALL[:2]:
        assert f"permission {scope}\tfailed\tmissing" in done.stderr


def test_configured_scopes(
    shell: Shell, seeding: Seeding, app_key: HookSigner, tmp_path: Path
) -> None:
    """Configured scopes are requested as they are."""
    _service_app(shell, app_key, tmp_path, *ALL)
    shell.env["OKTA_CLIENT_SCOPES"] = "okta.logs.read"
    done = shell("why", "--json")
    assert done.exit_code == 0
    assert set(findings_of(done)) == {"clock", f"permission {ALL[1]}", "failures"}
    shell.env["OKTA_CLIENT_SCOPES"] = None


def test_a_hook_without_a_trap(shell: Shell, seeding: Seeding) -> None:
    """A rule that does not apply to the hook's own client is not a trap."""
    okta = seeding.okta
    hook = okta.create_hook(seeding.served(silence), name="Slow", client_secret=LEAK)
    okta.call_hook_for_tokens(hook["id"])
    rule = okta._parts.rules.rule()
    rule["conditions"]["grantTypes"]["include"] = ["authorization_code"]
    okta._parts.rules.replace(rule)
    okta.fire(hook["id"])
    found = json.loads(shell("why", "--json").stdout)
    assert [failure["cause"] for failure in found["failures"]] == ["no_answer"]
    assert not any(each["check"].startswith("recursion") for each in found["findings"])


# --- the handler's logs


def _logged(reason: str, at: datetime, form: str) -> str:
    fields = {"level": "INFO", "message": "a request was refused", "hookkey_reason": reason}
    iso = at.isoformat()
    forms = {
        "json": json.dumps({"time": iso, **fields}),
        "epoch": json.dumps({"created": at.timestamp(), **fields}),
        "milliseconds": json.dumps({"ts": at.timestamp() * 1000, **fields}),
        "nested": json.dumps({"@timestamp": iso, "extra": {"a": None, "record": fields}}),
        "docker": json.dumps({"log": json.dumps(fields) + "\n", "time": iso}),
        "prefix": f"{iso} web-1 {json.dumps(fields)}",
        "plain": f"{iso} INFO a request was refused hookkey_source=x hookkey_reason={reason}",
        "local": f"{at.astimezone():%Y-%m-%d %H:%M:%S},123 INFO hookkey_reason='{reason}' {{oops",
    }
    return forms[form]


@pytest.mark.parametrize(
    "form",
    ["json", "epoch", "milliseconds", "nested", "docker", "prefix", "plain", "local"],
)
def test_reasons_of_the_handler(shell: Shell, seeding: Seeding, tmp_path: Path, form: str) -> None:
    """The reason that the handler logged at the time of a failure is shown, in any usual form."""
    seeding.fire(seeding.served(answer(401)))
    now = datetime.now(UTC)
    old = datetime.fromtimestamp(now.timestamp() - 60, UTC)
    file = tmp_path / "handler.log"
    file.write_text(
        f"Started\n{_logged('replayed', old, form)}\n{_logged('wrong_audience', now, form)}\n"
    )
    done = shell("why", "--json", "--logs", str(file))
    (failure,) = json.loads(done.stdout)["failures"]
    assert failure["logged"] == {"wrong_audience": 1}
    assert failure["cause"] == "status"
    assert "\twrong_audience\t" in shell("why", "--logs", str(file)).stdout


def test_the_logs_of_a_handler(
    shell: Shell, seeding: Seeding, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The records of a protected handler, with the formatter of the documentation, are read."""
    text = Path(__file__).parents[2].joinpath("docs", "observe.md").read_text()
    code = re.search(
        r"```python\n(import json\nimport logging\n.*?)\n\nhandler = ", text, re.DOTALL
    )
    assert code is not None
    scope: dict[str, Any] = {}
    exec(code[1], scope)
    caplog.set_level(logging.INFO, "hookkey_verify")
    app = Flask(__name__)
    keys = IssuerKeys(seeding.okta.issuer)
    verifier = HookVerifier.for_access_token(keys, audience="api://other", client_id=None)
    app.post("/hook")(protect(verifier)(lambda: {}))
    port = seeding.stack.enter_context(wsgi_server(app))
    seeding.fire(f"http://127.0.0.1:{port}/hook", client_secret=LEAK)
    file = tmp_path / "handler.log"
    records = [each for each in caplog.records if each.name == "hookkey_verify"]
    file.write_text("\n".join(map(scope["JsonFormatter"]().format, records)))
    (failure,) = json.loads(shell("why", "--json", "--logs", str(file)).stdout)["failures"]
    assert (failure["cause"], failure["detail"]) == ("status", "401")
    assert failure["logged"] == {"wrong_audience": 1}


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("expired", "clock_skew"),
        ("issued_in_future", "clock_skew"),
        ("not_yet_valid", "clock_skew"),
        ("insufficient_scope", "missing_permission"),
        ("unknown_key", "status"),
    ],
)
def test_a_reason_that_shows_the_cause(
    shell: Shell, seeding: Seeding, tmp_path: Path, reason: str, cause: str
) -> None:
    """A reason about times means a clock that is wrong, and one about scopes a missing scope."""
    seeding.fire(seeding.served(answer(401)))
    file = tmp_path / "handler.log"
    file.write_text(_logged(reason, datetime.now(UTC), "json"))
    (failure,) = json.loads(shell("why", "--json", "--logs", str(file)).stdout)["failures"]
    assert (failure["cause"], failure["logged"]) == (cause, {reason: 1})


@pytest.mark.parametrize("reason", ["expired", "insufficient_scope"])
def test_a_reason_of_another_hook(
    shell: Shell, seeding: Seeding, tmp_path: Path, reason: str
) -> None:
    """A reason of the same time changes no cause of a failure that is not a refusal."""
    seeding.fire(seeding.served(answer(500)))
    file = tmp_path / "handler.log"
    file.write_text(_logged(reason, datetime.now(UTC), "json"))
    (failure,) = json.loads(shell("why", "--json", "--logs", str(file)).stdout)["failures"]
    assert (failure["cause"], failure["detail"]) == ("status", "500")


def test_a_wrong_clock_that_is_not_the_cause(
    shell: Shell, seeding: Seeding, tmp_path: Path
) -> None:
    """If the clock of this machine is wrong, the reason that the handler logged counts more."""
    seeding.okta.skew(600)
    seeding.fire(seeding.served(answer(401)), client_secret=LEAK)
    assert shell("why").stdout.startswith("Seeded\tclock_skew 401")
    file = tmp_path / "handler.log"
    file.write_text(_logged("wrong_audience", datetime.now(UTC), "json"))
    (failure,) = json.loads(shell("why", "--json", "--logs", str(file)).stdout)["failures"]
    assert (failure["cause"], failure["logged"]) == ("status", {"wrong_audience": 1})


def test_logs_that_explain_nothing(shell: Shell, seeding: Seeding, tmp_path: Path) -> None:
    """Records of another time, without a time, or that cannot be read explain nothing."""
    seeding.replied(error("Closed."))
    now = datetime.now(UTC)
    file = tmp_path / "handler.log"
    lines = [
        '{"hookkey_reason": "expired"}',
        '{"hookkey_reason": 5, "time": "now"}',
        '{"hookkey_reason": "Not A Reason", "time": true}',
        "hookkey_reason=expired",
        "hookkey_reason",
        "2026-99-99T00:00:00Z hookkey_reason=expired",
        '{"a": ' * 9 + '{"hookkey_reason": "expired", "time": 1}' + "}" * 9,
        _logged("expired", now, "json"),
    ]
    file.write_text("\n".join(lines))
    done = shell("why", "--json", "--logs", str(file))
    (failure,) = json.loads(done.stdout)["failures"]
    assert (failure["cause"], failure["logged"]) == ("own_error", {})
    assert "3 records with a reason have no time" in done.stderr


def test_an_unknown_cause_with_a_reason(shell: Shell, okta: OktaEmulator, tmp_path: Path) -> None:
    """A failure without a reason of Okta's has the reason of the handler."""
    target = {"id": "cal1", "displayName": "Hook"}
    okta.log.write("inline_hook.executed", "Executed", targets=[target], result="FAILURE")
    file = tmp_path / "handler.log"
    (failure,) = json.loads(shell("why", "--json").stdout)["failures"]
    assert (failure["cause"], failure["reason"]) == ("unknown", "")
    file.write_text(_logged("unspecified", datetime.now(UTC), "json"))
    (failure,) = json.loads(shell("why", "--json", "--logs", str(file)).stdout)["failures"]
    assert (failure["cause"], failure["logged"]) == ("status", {"unspecified": 1})


def test_a_file_that_does_not_exist(shell: Shell) -> None:
    """A log file that cannot be read is a usage error."""
    done = shell("why", "--logs", "nothing.log")
    assert done.exit_code == 2


# --- output


@pytest.mark.parametrize("way", ["table", "--json"])
def test_hostile_texts(shell: Shell, seeding: Seeding, way: str) -> None:
    """Control characters are neutralized, and tokens and one-time codes are left out."""
    jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtaWEifQ.c2lnbmF0dXJl"
    summary = f"\x1b[2J\x07 code 012345 to +1 555 555 0100 {jwt} Bearer {LEAK} \u202e"
    seeding.replied(error(summary))
    done = shell("why", *([way] if way == "--json" else []))
    assert done.exit_code == 1
    for hidden in ("\x1b", "\x07", "012345", "555", "eyJ", LEAK, "\u202e", "\\u202e"):
        assert hidden not in done.output


def test_on_a_terminal(shell: Shell, seeding: Seeding) -> None:
    """On a terminal there is a table with titles."""
    seeding.fire(seeding.served(answer(500)))
    shown = on_a_terminal(shell, "why", COLUMNS="160")
    assert "what to do" in shown
    assert "status 500" in shown


def test_a_file_without_reasons(shell: Shell, tmp_path: Path) -> None:
    """The command says that a file has no reasons, which is so without a suitable formatter."""
    file = tmp_path / "handler.log"
    file.write_text("2026-11-29 02:53:49 INFO started\n")
    assert "no record with hookkey_reason" in shell("why", "--logs", str(file)).stderr
    assert "hookkey_reason" not in shell("why").stderr


def test_a_file_without_lines(tmp_path: Path) -> None:
    """A large file without line breaks, such as a binary one, is not read into memory at once."""
    file = tmp_path / "core"
    with file.open("wb") as made:
        made.truncate(16 * 1024 * 1024)
    tracemalloc.start()
    try:
        assert HandlerLogs.read_file(str(file)).times == ()
        assert tracemalloc.get_traced_memory()[1] < 4 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_a_time_that_is_no_time() -> None:
    """A member that has the name of a time and the value true is no time."""
    logs = HandlerLogs.read([b'{"hookkey_reason": "expired", "created": true}'])
    assert (logs.times, logs.undated) == ((), 1)


def test_the_bounds_of_a_log() -> None:
    """A line of any length and any number is read."""
    lines = [
        b'{"hookkey_reason": "expired", "t": ' + b"9" * 400 + b"}",
        b'{"hookkey_reason": "expired", "t": -5}',
        b'{"hookkey_reason": "expired", "t": NaN}',
        b"x" * 100_000 + b"hookkey_reason=expired",
        b'{"hookkey_reason": "expired", "t": 1.7e18}',
        b'{"hookkey_reason": "expired", "t": 1.7e15}',
    ]
    logs = HandlerLogs.read(lines)
    assert logs.undated == 3
    assert logs.times == (1.7e9, 1.7e9)


# --- following


@contextmanager
def _following(shell: Shell, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Run ``hookkey why --follow``; yield the process and the lines that it prints."""
    variables = {name: value for name, value in shell.env.items() if value is not None}
    program = (
        "import hookkey_verify.cli.why as why; why.EVERY = 1.0; why.RETRY = 0.1;"
        "from hookkey_verify.cli.commands import hookkey; hookkey()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "why", "--follow", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **variables, "PYTHONUNBUFFERED": "1"},
    )
    lines: list[str] = []

    def collect() -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                lines.append(line)

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    try:
        yield process, lines
    finally:
        process.kill()
        process.wait(10)
        thread.join(10)


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_following(shell: Shell, seeding: Seeding) -> None:
    """``--follow`` prints each new failure once, survives an outage, and ends with Ctrl-C."""
    okta = seeding.okta
    hook = okta.create_hook(seeding.served(answer(500)), name="Followed")
    okta.fire(hook["id"])
    with _following(shell, "Followed") as (process, lines):
        _until(lambda: any("Followed" in line for line in lines))
        okta.fail(503, path="/api/v1/logs", times=5, headers={"Retry-After": "1"})
        okta.fire(hook["id"])
        okta.fire(hook["id"])
        _until(lambda: sum("Followed" in line for line in lines) >= 3)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 1
    assert sum("Followed" in line for line in lines) == 3
    assert not any("Traceback" in line for line in lines)


class Script:
    """Waits of a client that do something else instead; after the last one comes Ctrl-C."""

    def __init__(self, shell: Shell, patch: pytest.MonkeyPatch, *acts: Callable[[], object]):
        self.slept: list[float] = []
        self._acts = iter(acts)
        token = ApiToken(shell.okta.api_token)
        client = SystemLogClient(shell.okta.url, token, sleep=self, max_wait=0)
        patch.setattr(SystemLogClient, "from_env", lambda **_: client)
        patch.setattr("hookkey_verify.cli.why.sleep", self)

    def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        act = next(self._acts, None)
        if act is None:
            raise KeyboardInterrupt
        act()


def test_what_follows(
    shell: Shell, seeding: Seeding, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With ``--json``, each line is a document: the report, and then each new failure."""
    okta, url = seeding.okta, seeding.served(answer(401))
    hook = okta.create_hook(url, name="Followed")
    other = okta.create_hook(url, name="Other")
    okta.fire(hook["id"])
    file = tmp_path / "handler.log"
    file.write_text("")

    def fail() -> None:
        okta.fire(other["id"])
        okta.fire(hook["id"])
        file.write_text(_logged("expired", datetime.now(UTC), "json"))

    def busy() -> None:
        okta.fail(429, path="/api/v1/logs")

    def down() -> None:
        okta.fail("garbage", path="/api/v1/logs")

    script = Script(shell, monkeypatch, fail, busy, down, lambda: None, lambda: None)
    done = shell("why", "Followed", "--follow", "--json", "--logs", str(file))
    assert done.exit_code == 1, done.output
    report, failure = map(json.loads, done.stdout.splitlines())
    assert [each["cause"] for each in report["failures"]] == ["status"]
    assert (failure["hook"]["name"], failure["cause"]) == ("Followed", "clock_skew")
    assert script.slept[0] == EVERY
    assert RETRY in script.slept
    assert done.stderr.count("trying again in") == 2
    assert "Traceback" not in done.output


def test_following_all_hooks(
    shell: Shell, seeding: Seeding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without HOOK, failures of all hooks are followed, as lines with tabs."""
    okta = seeding.okta
    hook = okta.create_hook(seeding.served(answer(500)), name="New")
    Script(shell, monkeypatch, lambda: okta.fire(hook["id"]))
    done = shell("why", "--follow")
    assert done.exit_code == 1
    (line,) = done.stdout.splitlines()
    assert line.split("\t")[1:3] == ["New", "status 500"]


def test_following_until_the_credentials_end(
    shell: Shell, seeding: Seeding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that does not go away ends the command with its exit code."""
    Script(shell, monkeypatch, lambda: seeding.okta.fail(401, path="/api/v1/logs", times=9))
    done = shell("why", "--follow")
    assert done.exit_code == 5
    assert "does not accept the credentials" in done.stderr


def test_following_without_failures(shell: Shell, seeding: Seeding) -> None:
    """Without a failure, ``--follow`` exits with 0 at Ctrl-C."""
    with _following(shell) as (process, lines):
        _until(lambda: any("none in this time" in line for line in lines))
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def test_following_without_permission(shell: Shell, app_key: HookSigner, tmp_path: Path) -> None:
    """Without okta.logs.read there is nothing to follow."""
    _service_app(shell, app_key, tmp_path, "okta.inlineHooks.read")
    assert shell("why", "--follow").exit_code == 5
