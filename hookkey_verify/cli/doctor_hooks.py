"""Checks the inline hooks of an org for ``hookkey doctor``.

Each hook has two findings: what it gets from Okta, and whether this machine's settings fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..errors import ConfigurationError, ForbiddenError, HookKeyApiError, HookKeyError
from ..okta.authorization_servers import AuthorizationServer, AuthorizationServersClient
from ..okta.http import check_url
from ..okta.inline_hooks import InlineHooksClient
from ..okta.models import HookKey, InlineHook
from ..replay import Finding
from ..replay.finding import Result
from ..settings import Settings
from .doctor_settings import Comparison, compared, shown
from .hook_code.plan import Plan, Setup, setup_of
from .output import exit_code
from .wording import message

__all__ = ["CheckedHook", "checked_hooks"]

TIMEOUT: Final = 10
"""Seconds for one response."""
_EXAMPLE: Final = "https://hooks.acme.com/hook"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedHook:
    """A hook with its findings."""

    hook: InlineHook
    finding: Finding
    plan: Plan | None = None
    """What it gets from Okta, or None if it gets nothing that can be verified."""
    comparison: Comparison | None = None
    """The comparison with the settings, or None without a plan."""

    def findings(self, *, another_fits: bool) -> list[Finding]:
        """Return the two rows of the hook.

        ``another_fits``: whether the settings may fit another hook, so that they need not fit this.
        """
        if self.comparison is None:
            return [self.finding]
        check, text = f"settings for {self.hook.name}", self.comparison.text
        match self.comparison.outcome:
            case "fits":
                return [self.finding, Finding(check, "ok", text)]
            case "partly" | "unknown":
                return [self.finding, Finding(check, "skipped", text)]
            case "differs" if not another_fits:
                return [self.finding, Finding(check, "failed", text)]
        return [self.finding, Finding(check, "warning", text)]

    def document(self) -> dict[str, Any]:
        """Return the members of the JSON document."""
        return {
            "id": self.hook.id,
            "name": self.hook.name,
            "type": self.hook.type,
            "status": self.hook.status,
            "authentication": self.hook.authentication,
            "setup": None if self.plan is None else self.plan.setup.value,
            "settings": None if self.comparison is None else self.comparison.outcome,
        }


def checked_hooks(
    settings: Settings, keys: Sequence[HookKey] | None
) -> tuple[list[Finding], list[CheckedHook], int]:
    """Check all inline hooks of the org.

    ``settings``: the settings of this machine.
    ``keys``: the hook keys of the org, or None if they are unknown.

    Return the findings, the hooks, and the exit code if they cannot be listed.
    """
    try:
        options = {"timeout": TIMEOUT, "max_wait": 0}
        with (
            InlineHooksClient.from_env(**options) as client,
            AuthorizationServersClient.from_env(**options) as servers,
        ):
            hooks, known = client.list(), _Servers(servers)
            found = [_checked(each, settings, keys, client.org_url, known) for each in hooks]
    except ForbiddenError as error:
        return [Finding("hooks", "skipped", f"not listed: {message(error)}")], [], 0
    except HookKeyError as error:
        return [Finding("hooks", "failed", message(error))], [], exit_code(error)
    if not found:
        return [Finding("hooks", "warning", "the org has none: hookkey hooks create NAME")], [], 0
    outcomes = {each.comparison.outcome for each in found if each.comparison is not None}
    fits = not outcomes.isdisjoint(("fits", "partly", "forwarded"))
    return [row for each in found for row in each.findings(another_fits=fits)], found, 0


class _Servers:
    """Reads each authorization server once, and none after Okta is unavailable."""

    def __init__(self, client: AuthorizationServersClient) -> None:
        self._client = client
        self._known: dict[str, AuthorizationServer | HookKeyApiError] = {}
        self._outage: HookKeyApiError | None = None

    def __call__(self, id_: str) -> AuthorizationServer:
        if id_ not in self._known:
            self._known[id_] = self._outage or self._read(id_)
        known = self._known[id_]
        if isinstance(known, HookKeyApiError):
            raise known
        return known

    def _read(self, id_: str) -> AuthorizationServer | HookKeyApiError:
        try:
            return self._client.get(id_)
        except HookKeyApiError as error:
            if error.retryable:
                self._outage = error
            return error


def _checked(
    hook: InlineHook,
    settings: Settings,
    keys: Sequence[HookKey] | None,
    org_url: str,
    server_of: _Servers,
) -> CheckedHook:
    check, status = f"hook {hook.name}", hook.status or "status unknown"
    try:
        plan = setup_of(hook, org_url=org_url, wanted=None, server_of=server_of)
    except ConfigurationError as error:
        detail = "; ".join([status, error.detail, *_problems(hook)])
        return CheckedHook(hook=hook, finding=Finding(check, "warning", detail))
    detail, problems = f"{status}, {plan.setup}: {_setup(plan)}", _problems(hook)
    missing = _missing_key(plan, hook, keys)
    problems += missing + _advice(plan, hook)
    if plan.has_key and not missing:
        detail += _key(hook, keys)
        problems += _unused(hook, keys)
    result: Result = "failed" if missing else "warning" if problems else "ok"
    finding = Finding(check, result, "; ".join([detail, *problems]))
    comparison = compared(plan, settings, org_url)
    return CheckedHook(hook=hook, finding=finding, plan=plan, comparison=comparison)


def _setup(plan: Plan) -> str:
    """Return what the hook gets, in words."""
    if plan.setup is Setup.SECRET:
        return f"a secret in the header {shown(plan.header)}"
    how = "the hook key" if plan.has_key else "a client secret"
    is_okta = plan.setup is Setup.ACCESS_TOKEN
    where = f"of {shown(plan.issuer)}" if is_okta else f"from {shown(plan.token_url)}"
    return f"an access token {where}, requested with {how}"


def _problems(hook: InlineHook) -> list[str]:
    """Return what keeps Okta from calling the hook, or a handler from answering."""
    problems = []
    if hook.status == "INACTIVE":
        problems.append(f"Okta does not call it: hookkey hooks activate {hook.id}")
    if hook.method not in ("", "POST"):
        problems.append(f"its method is {shown(hook.method)}, but handlers answer only POST")
    try:
        check_url("its URI", hook.uri, example=_EXAMPLE, query=True)
    except ConfigurationError as error:
        problems.append(error.detail)
    return problems


def _missing_key(plan: Plan, hook: InlineHook, keys: Sequence[HookKey] | None) -> list[str]:
    if not plan.has_key or keys is None or _find(hook, keys) is not None:
        return []
    named = shown(hook.hook_key_id or "")
    change = f"hookkey hooks replace {hook.id} --hook-key KEY"
    return [f"the org has no hook key {named}, which the hook names: {change}"]


def _key(hook: InlineHook, keys: Sequence[HookKey] | None) -> str:
    if keys is None:
        return f" {shown(hook.hook_key_id or '')} that is not compared with the org's hook keys"
    key = _find(hook, keys)
    return "" if key is None else f" {shown(key.name)}"


def _unused(hook: InlineHook, keys: Sequence[HookKey] | None) -> list[str]:
    key = _find(hook, keys or ())
    used = key is None or key.is_used is not False
    return [] if used else ["Okta says that no inline hook uses this key"]


def _find(hook: InlineHook, keys: Sequence[HookKey]) -> HookKey | None:
    return next((key for key in keys if key.id == hook.hook_key_id), None)


def _advice(plan: Plan, hook: InlineHook) -> list[str]:
    """Return what to change about how Okta authenticates."""
    if plan.setup is Setup.SECRET:
        return [
            "a single recorded request discloses the secret. To migrate to a hook key: hookkey "
            "keys create NAME; let the handler accept both with AnyOf(HeaderSecret(…), "
            f"HookVerifier…); hookkey hooks replace {hook.id} --hook-key NAME --client-id ID "
            "--token-url URL --scope SCOPE"
        ]
    advice = []
    if plan.setup is Setup.ACCESS_TOKEN and not plan.scopes:
        advice.append(
            "it has no scope, which an Okta authorization server requires: hookkey hooks replace "
            f"{hook.id} --scope SCOPE"
        )
    if plan.problem:
        advice.append(f"the audience is not known: {plan.problem}")
    return advice
