"""``hookkey doctor`` checks the settings, the org and its hooks, a replay store and a token."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import BinaryIO, Final

import click

from .._jose.encoding import EncodingError, base64url_decode, json_object
from .._jose.issuer import is_authorization_server
from .._runtime.clock import monotonic_clock, wall_clock
from ..errors import ConfigurationError, ForbiddenError, HookKeyError
from ..keys.issuer_keys import IssuerKeys
from ..okta.http import Answer
from ..okta.models import HookKey
from ..okta.paths import HOOK_KEYS, MAX_LIST
from ..okta.sign_in import connection, credentials
from ..okta.transport import OktaTransport
from ..replay import Finding
from ..replay.finding import Result
from ..settings import NAMES, Settings
from ..verifier import KeySource
from .clock import okta_clock
from .doctor_hooks import CheckedHook, checked_hooks
from .files import InputFile, read_token
from .org import READS_AUDIENCES, READS_HOOKS, READS_KEYS
from .output import as_json, command, exit_code, print_json, print_rows
from .replay_store import REPLAY_URL, replay_store
from .verifying import VerifierOptions, checks_and_problem, verifier_of
from .wording import FLAGS, found_at, message

__all__ = ["doctor"]

_RESULTS: Final[Mapping[str, Result]] = {
    "passed": "ok",
    "failed": "failed",
    "not checked": "skipped",
    "not reached": "skipped",
}
_Org = tuple[list[Finding], list[HookKey] | None, list[CheckedHook], int]
_COUNT = re.compile(r"[0-9]{1,9}")


@click.command(
    epilog=f"To read the hook keys, it needs {READS_KEYS}\n\n"
    f"To read the inline hooks, {READS_HOOKS}\n\n"
    f"To read the audiences of authorization servers, {READS_AUDIENCES}\n\n"
    "The row of what cannot be read names the missing permission."
)
@click.argument("token", type=InputFile(), required=False, metavar="[FILE]")
@click.option("--replay", envvar=REPLAY_URL, metavar="URL", help="Also check this replay store.")
@as_json
@command
def doctor(token: BinaryIO | None, replay: str | None, as_json: bool) -> None:
    """Check settings, connection, permissions, keys, inline hooks and, if given, a token.

    For each inline hook, it says what the hook verifies and whether this machine's settings
    (HOOKKEY_*) fit. Also checked are the clock and the rate limit.

    The token is checked with the verifier that HOOKKEY_CLIENT_ID and HOOKKEY_TOKEN_URL, or
    HOOKKEY_ISSUER, HOOKKEY_AUDIENCE and HOOKKEY_CLIENT_ID, describe. Nothing in the org is changed.
    With --replay (or HOOKKEY_REPLAY_URL, which keeps a password out of the list of processes) the
    store's settings are checked, and a record that soon expires is written to it. Exits with 0 if
    no check failed.

    Example: hookkey doctor token.txt --replay valkeys://cache.acme.com
    """
    settings = Settings()
    findings = [*_settings(settings, needed=replay is None)]
    if any(map(found_at, FLAGS)):
        findings.append(_verifier())
    org, keys, hooks, code = _org(settings, needed=replay is None)
    findings += org
    if replay is not None:
        findings += _replay(replay)
    if token is not None:
        token_bytes = read_token(token)
        findings += [_token(token_bytes, keys), *_token_checks(token_bytes)]
    if code == 0 and any(finding.result == "failed" for finding in findings):
        code = 1
    if as_json:
        print_json(
            {
                "findings": [asdict(finding) for finding in findings],
                "hooks": [hook.document() for hook in hooks],
                "ok": code == 0,
            }
        )
    else:
        rows = [(finding.check, finding.result, finding.detail) for finding in findings]
        print_rows(("check", "result", "detail"), rows, whole=("result",))
    if code:
        raise SystemExit(code)


def _verifier() -> Finding:
    """Check that the settings describe a verifier and that an issuer's keys can be fetched."""
    keys: KeySource | None = None
    try:
        _, keys = verifier_of(VerifierOptions(), flags={})
        if isinstance(keys, IssuerKeys):
            keys.warm_up()
            return Finding("verifier", "ok", f"for access tokens; {keys.issuer} has its keys")
        return Finding("verifier", "ok", "for client assertions")
    except HookKeyError as error:
        return Finding("verifier", "failed", message(error))
    finally:
        if keys is not None:
            keys.close()


def _replay(url: str) -> list[Finding]:
    try:
        store = replay_store(url)
        try:
            return store.check()
        finally:
            store.close()
    except HookKeyError as error:
        return [Finding("replay store", "failed", message(error))]


def _org(settings: Settings, *, needed: bool) -> _Org:
    """Return the findings about the org, its keys and hooks, and the exit code if it failed."""
    if found_at("issuer") and not found_at("org_url"):
        return [Finding("org", "skipped", "not needed for access tokens")], None, [], 0
    if not needed and not found_at("org_url"):
        return [Finding("org", "skipped", "none is configured")], None, [], 0
    keys, code = None, 0
    try:
        org_url, answer = _listed(settings)
        keys = [HookKey.from_document(row) for row in answer.json_list()]
        granted = f"{org_url} answers, okta.inlineHooks.read is granted"
        findings = [
            Finding("org", "ok", granted),
            okta_clock(answer.clock_skew(wall_clock())),
            _rate_limit(answer),
        ]
        findings += _keys(keys)
    except HookKeyError as error:
        code = exit_code(error)
        findings = [Finding("org", "failed", message(error))]
        if not isinstance(error, ForbiddenError):
            return findings, None, [], code
    of_hooks, hooks, code_of_hooks = checked_hooks(settings, keys)
    return [*findings, *of_hooks], keys, hooks, code or code_of_hooks


def _listed(settings: Settings) -> tuple[str, Answer]:
    """Fetch the list of hook keys. Raises ``HookKeyError``."""
    transport = OktaTransport(
        settings.need("org_url"), credentials(settings), **connection(settings)
    )
    try:
        deadline = monotonic_clock() + 10
        answer = transport.exchange("GET", HOOK_KEYS, deadline=deadline, max_body=MAX_LIST)
    finally:
        transport.close()
    return transport.org_url, answer


def _settings(settings: Settings, *, needed: bool) -> list[Finding]:
    findings = []
    for name, where in NAMES.items():
        origin = settings.origin(name)
        if origin is not None:
            value = "(secret)" if where.secret else _shown(settings, name)
            findings.append(Finding(f"setting {name}", "ok", f"{value}, from {origin}"))
    if findings or not needed:
        return findings
    text = "none found: set OKTA_CLIENT_ORGURL and OKTA_CLIENT_TOKEN"
    return [Finding("settings", "failed", text)]


def _shown(settings: Settings, name: str) -> str:
    try:
        value = settings.text(name) or ""
    except ConfigurationError:
        value = " ".join(settings.words(name))
    return "(hidden: it contains a password)" if "@" in value else value


def _rate_limit(answer: Answer) -> Finding:
    left = answer.headers.get("X-Rate-Limit-Remaining", "")
    limit = answer.headers.get("X-Rate-Limit-Limit", "")
    if not (_COUNT.fullmatch(left) and _COUNT.fullmatch(limit)):
        return Finding("rate limit", "skipped", "the response has no rate limit headers")
    low = int(left) * 5 < int(limit)
    return Finding("rate limit", "warning" if low else "ok", f"{left} of {limit} calls left")


def _keys(keys: list[HookKey]) -> list[Finding]:
    if not keys:
        return [Finding("keys", "warning", "the org has none: hookkey keys create NAME")]
    findings = []
    for key in keys:
        days = "" if key.created is None else _age(key)
        used = {True: "used", False: "not used", None: "use unknown"}[key.is_used]
        findings.append(Finding(f"key {key.name}", "ok", f"{key.key_id}, {used}{days}"))
    if len(keys) > 40:
        findings.append(
            Finding("keys", "warning", f"{len(keys)} of at most 50; delete unused ones")
        )
    return findings


def _age(key: HookKey) -> str:
    assert key.created is not None  # noqa: S101 - the caller has checked
    return f", {max(0, int((wall_clock() - key.created.timestamp()) // 86_400))} days old"


def _token_checks(token_bytes: bytes) -> list[Finding]:
    """Return all checks of the token, with the verifier from the settings if there is one."""
    checks, problem = checks_and_problem(token_bytes, VerifierOptions(), flags={})
    findings = [
        Finding(f"token {check.name}", _RESULTS[check.result], check.text)
        for check in checks
        if not problem or check.subject
    ]
    if problem:
        findings.append(Finding("token claims", "skipped", f"not compared: {problem}"))
    return findings


def _token(token_bytes: bytes, keys: list[HookKey] | None) -> Finding:
    """Guess the set-up from the unverified header and claims, as a hint."""
    try:
        header, claims = (
            json_object(base64url_decode(part)) for part in token_bytes.split(b".")[:2]
        )
    except (EncodingError, ValueError):
        return Finding("token", "failed", "it is not a JWT; hookkey inspect shows more")
    if header.get("kid") in [key.key_id for key in keys or ()]:
        return Finding(
            "token",
            "ok",
            "a client assertion: verify it at your token URL, "
            "HookVerifier.for_client_assertion(HookKeys(…), …)",
        )
    if is_authorization_server(claims.get("iss")):
        return Finding(
            "token",
            "ok",
            "an access token of an authorization server: verify it at the hook, "
            "HookVerifier.for_access_token(IssuerKeys(issuer), …)",
        )
    if keys is None:
        return Finding("token", "skipped", "the org's keys are needed to tell what it is")
    return Finding(
        "token",
        "warning",
        "its kid matches none of the org's hook keys, and its issuer is not an Okta authorization "
        "server",
    )
