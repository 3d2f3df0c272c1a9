"""Adapts error texts to the command line: flags and variables replace Python arguments."""

from __future__ import annotations

import re

import click
from click.core import ParameterSource

from ..errors import ConfigurationError, HookKeyError, UnknownKeyError, documentation
from ..settings import NAMES, Settings

__all__ = ["FLAGS", "flag_of", "found_at", "is_given", "message", "unknown_key"]

FLAGS = {
    "hook_client_id": "--client-id",
    "token_url": "--token-url",
    "issuer": "--issuer",
    "audience": "--audience",
    "hook_scopes": "--scope",
}
"""The settings that describe a verifier, and the options that take their place."""
_SETTING_OF = {"client_id": "hook_client_id", "scopes": "hook_scopes"}
"""Options that are a setting of another name."""


def message(error: HookKeyError) -> str:
    """Return an error's text with flags and variables in place of Python arguments.

    Quoted values are not changed, because they come from the configuration. A link to the
    documentation comes last.
    """
    address = documentation(error.reason)
    link = f"; see {address}" if address else ""
    if isinstance(error, UnknownKeyError):
        return f"{error.title}; {unknown_key()}{link}"
    # Without the title, because a mistyped option is not a configuration error.
    configured = isinstance(error, ConfigurationError)
    text = error.detail if configured else str(error).removesuffix(link)
    return _with_flags(text) + link


def _with_flags(text: str) -> str:
    written = _as_written()
    first = re.match(r"\w+(?=[ =])", text)
    if first and first[0] in written:
        text = written[first[0]] + text[first.end() :]
    # Elsewhere, replace only names that cannot be words of a sentence.
    certain = ["org_url", *(name for name in written if "_" in name and name not in NAMES)]
    names = "|".join(map(re.escape, certain))
    pattern = re.compile(rf"(?<![\w./-])(?:({names})(?:=True\b|=)?|(\w+)=)(?![\w./-])")

    def flag(match: re.Match[str]) -> str:
        return written.get(match[1] or match[2], match[0])

    pieces = re.split(r'("[^"]*")', text)
    return "".join(p if p.startswith('"') else pattern.sub(flag, p) for p in pieces)


def unknown_key() -> str:
    """Return advice for a missing key in terms of this command."""
    context = click.get_current_context(silent=True)
    by_flags = context is not None and any(p.name == "issuer" for p in context.command.params)
    if found_at("issuer") or (context is not None and context.params.get("issuer")):
        where = "--issuer and HOOKKEY_ISSUER" if by_flags else "HOOKKEY_ISSUER"
        return f"if it is a client assertion, verify it without {where}"
    how = "pass --issuer and --audience" if by_flags else "set HOOKKEY_ISSUER and HOOKKEY_AUDIENCE"
    return f"if it is an access token of an authorization server, {how}"


def found_at(setting: str) -> str | None:
    """Return the variable, or the key and file, of a setting, or None if it is not set."""
    settings = Settings()
    try:
        return settings.place(setting) if settings.origin(setting) else None
    except ConfigurationError:  # the file cannot be read
        return None


def is_given(context: click.Context, name: str) -> bool:
    """Return whether a parameter was given on the command line."""
    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE


def flag_of(parameter: click.Parameter) -> str:
    """Return the longest spelling of a parameter."""
    return max(parameter.opts, key=len)


def _as_written() -> dict[str, str]:
    """Return how Python arguments are written here: as flags or settings."""
    settings = {name: found_at(name) or NAMES[name].variable for name in NAMES}
    context = click.get_current_context(silent=True)
    if context is None:
        return settings
    arguments, options = {}, {}
    for parameter in context.command.params:
        name = parameter.name or ""
        if isinstance(parameter, click.Option):
            options[name] = _place(parameter, context) or flag_of(parameter)
        else:
            arguments[name] = (parameter.metavar or name).strip("[]")
    return arguments | settings | options


def _place(option: click.Option, context: click.Context) -> str | None:
    """Return where the setting of an omitted option is, or None.

    Only an option whose help names the variable of a setting is read from there.
    """
    name = option.name or ""
    setting = _SETTING_OF.get(name, name)
    if setting not in NAMES or NAMES[setting].variable not in (option.help or ""):
        return None
    return None if is_given(context, name) else found_at(setting)
