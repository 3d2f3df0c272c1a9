"""Compares the settings of this machine's verifier with what an inline hook gets from Okta. Pure.

The settings describe one verifier: with HOOKKEY_ISSUER for access tokens, otherwise for client
assertions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from ..settings import NAMES, Settings
from .hook_code.plan import Plan, Setup, is_okta_url

__all__ = ["Comparison", "compared", "shown"]

Outcome = Literal["fits", "partly", "forwarded", "differs", "unknown"]
"""``partly``: all that can be compared fits. ``forwarded``: the settings fit only if a gateway
forwards the assertion. ``unknown``: nothing can be compared."""

Values = Mapping[str, tuple[str, ...]]
"""The values that fit, by setting."""

_VERIFIER: Final = ("hook_client_id", "token_url", "issuer")
"""The settings that select a verifier."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The outcome of a comparison and a text that says what to change."""

    outcome: Outcome
    text: str


def compared(plan: Plan, settings: Settings, org_url: str) -> Comparison:
    """Compare the settings with the plan of a hook.

    ``plan``: what the hook gets from Okta.
    ``settings``: the settings of this machine.
    ``org_url``: the URL of the hook's org.
    """
    if plan.setup is Setup.SECRET:
        header = f"HeaderSecret(…, header={shown(plan.header)})"
        text = f"the settings do not describe a secret in a header; verify it with {header}"
        return Comparison("unknown", text)
    expected = _expected(plan)
    if not any(map(settings.text, _VERIFIER)):
        texts = [_to_set(name, values) for name, values in expected.items()]
        return Comparison("unknown", f"none is configured; for this hook, {', '.join(texts)}")
    if settings.text("issuer") is None and plan.setup is Setup.ACCESS_TOKEN:
        return _without_issuer(plan, settings, expected)
    if settings.text("issuer") is not None and plan.setup is Setup.TOKEN_ENDPOINT:
        return _with_foreign_server(plan, settings, org_url)
    if settings.text("issuer") is None and not plan.has_key:
        del expected["token_url"]  # the hook sends no assertion, which would contain it
        differences = _differences(expected, settings)
        secret = "the client secret is not compared; verify it with ClientSecret"  # noqa: S105
        return _comparison(differences, expected, secret)
    open_ = ""
    if plan.setup is Setup.ACCESS_TOKEN and not plan.audiences and settings.text("audience"):
        del expected["audience"]
        open_ = f"{_variable('audience')} is not compared: the audience is not known"
    names = _compared_names(plan, expected, settings)
    return _comparison(_all_differences(plan, expected, settings), names, open_)


def shown(value: str) -> str:
    """Return a value in quotes, unless it may contain a password."""
    return "(hidden)" if "@" in value or "?" in value else json.dumps(value, ensure_ascii=False)


def _expected(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Return the values that fit, by setting. No value: unknown."""
    client: dict[str, tuple[str, ...]] = {"hook_client_id": (plan.client_id,)}
    if plan.setup is Setup.ACCESS_TOKEN:
        return {**client, "issuer": (plan.issuer,), "audience": plan.audiences}
    return {**client, "token_url": (plan.token_url,)}


def _without_issuer(plan: Plan, settings: Settings, expected: Values) -> Comparison:
    """Compare settings for assertions with a hook that gets access tokens."""
    needed = [_to_set(name, expected[name]) for name in ("issuer", "audience")]
    assertion = {"hook_client_id": (plan.client_id,), "token_url": (plan.token_url,)}
    advice = f"Okta sends an access token: {', '.join(needed)}"
    differences = _differences(assertion, settings)
    if differences or not plan.has_key:
        return Comparison("differs", "; ".join([advice, *differences[:1]]))
    fitting = " and ".join(map(_variable, assertion))
    text = f"{fitting} fit only if a gateway forwards the client assertion. {advice}"
    return Comparison("forwarded", text)


def _with_foreign_server(plan: Plan, settings: Settings, org_url: str) -> Comparison:
    """Compare settings for access tokens with a hook whose token URL is not Okta's."""
    expected = {"hook_client_id": (plan.client_id,)}
    issuer = settings.need("issuer")
    differences = _all_differences(plan, expected, settings)
    if is_okta_url(issuer, org_url):
        differences.append(
            f"{_variable('issuer')} is {shown(issuer)}, but the hook gets its access tokens at "
            f"{shown(plan.token_url)}"
        )
    open_ = f"{_variable('issuer')} and {_variable('audience')} are not compared"
    names = _compared_names(plan, expected, settings)
    return _comparison(differences, names, f"{open_}: the token URL is not Okta's")


def _all_differences(plan: Plan, expected: Values, settings: Settings) -> list[str]:
    """Return the differences, including those of scopes if access tokens are verified."""
    differences = _differences(expected, settings)
    if not _compares_scopes(plan, settings):
        return differences
    missing = [each for each in settings.words("hook_scopes") if each not in plan.scopes]
    if missing:
        wanted, requested = shown(" ".join(missing)), shown(" ".join(plan.scopes))
        differences.append(
            f"{_variable('hook_scopes')} requires {wanted}, but the hook requests {requested}"
        )
    return differences


def _compares_scopes(plan: Plan, settings: Settings) -> bool:
    """Return whether scopes are required, and the scopes that the hook requests are known."""
    required = settings.text("issuer") is not None and settings.words("hook_scopes")
    return bool(required and plan.scopes)


def _compared_names(plan: Plan, expected: Values, settings: Settings) -> list[str]:
    """Return the names of the settings that are compared."""
    return [*expected, *(["hook_scopes"] if _compares_scopes(plan, settings) else [])]


def _differences(expected: Values, settings: Settings) -> list[str]:
    differences = []
    for name, values in expected.items():
        actual = settings.text(name)
        if actual is None:
            differences.append(_to_set(name, values))
        elif actual not in values:
            wanted = " or ".join(map(shown, values))
            differences.append(f"{_variable(name)} is {shown(actual)}, expected {wanted}")
    return differences


def _comparison(differences: list[str], compared: Iterable[str], open_: str) -> Comparison:
    if differences:
        return Comparison("differs", "; ".join(differences))
    text = f"{', '.join(map(_variable, compared))} fit"
    return Comparison("partly", f"{text}; {open_}") if open_ else Comparison("fits", text)


def _to_set(name: str, values: tuple[str, ...]) -> str:
    to = f" to {' or '.join(map(shown, values))}" if values else ""
    return f"set {_variable(name)}{to}"


def _variable(name: str) -> str:
    return NAMES[name].variable
