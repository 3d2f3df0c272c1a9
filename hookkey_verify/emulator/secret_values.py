"""Finds the secret values of an event, and hides values in texts. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, quote_plus

from .json_object import decoded

__all__ = ["event_secrets", "is_secret", "without"]

HIDDEN: Final = "(hidden)"
MIN_SECRET: Final = 4
"""The length from which a value is hidden also within words."""

_TEMPLATE: Final = "msgtemplate"
_SECRET: Final = frozenset(
    {
        "client_secret",
        "mobilephone",
        "otp",
        "otpcode",
        "passcode",
        "password",
        "phone",
        "phonenumber",
        "primaryphone",
        "secret",
        _TEMPLATE,
    }
)
_CODE: Final = re.compile(r"\d{4,}")


def is_secret(name: str) -> bool:
    """Return whether a member with this name contains a secret, such as a password."""
    return name.lower() in _SECRET


def event_secrets(body: bytes) -> tuple[str, ...]:
    """Return the passwords, one-time codes and phone numbers of an event, the longest first.

    ``body``: the body of the request; none is found if it is not a JSON object.

    A number without its plus or leading zeros is one more value. Of the template of a message,
    only the numbers are secret.
    """
    found: set[str] = set()
    for name, value in _secret_leaves(decoded(body)):
        text = value.encode("utf-8", "replace").decode()
        digits = text.lstrip("+0")
        found.update(_CODE.findall(text) if name == _TEMPLATE else [text])
        found.update([digits] if digits.isdecimal() else [])
    return tuple(sorted((each for each in found if each.strip()), key=len, reverse=True))


def _secret_leaves(document: Any) -> Iterator[tuple[str, str]]:
    """Yield the texts and numbers in secret members, with the name of the member."""
    waiting: list[tuple[str, Any]] = [("", document)]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, Mapping):
            waiting += [
                (name or (member.lower() if is_secret(member) else ""), each)
                for member, each in value.items()
            ]
        elif isinstance(value, list):
            waiting += [(name, each) for each in value]
        elif name and isinstance(value, str | int | float) and not isinstance(value, bool):
            yield name, str(value)


def without(text: str, secrets: Iterable[str]) -> str:
    """Return a text in which secret values are hidden.

    ``text``: plain text or JSON.
    ``secrets``: the values; of a value with a scheme, such as ``Basic``, also the part after it.
        Values of less than ``MIN_SECRET`` characters are hidden only as whole words, because they
        occur anywhere in others.
    """
    for secret in secrets:
        _, _, credentials = secret.partition(" ")
        for form in (*_forms(secret), *_forms(credentials)):
            if len(form) >= MIN_SECRET:
                text = text.replace(form, HIDDEN)
        if 0 < len(secret) < MIN_SECRET:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", HIDDEN, text)
    return text


@lru_cache(maxsize=1024)
def _forms(value: str) -> tuple[str, ...]:
    """Return a value as it may be written in text, JSON, a JSON Pointer and a URL."""
    plain, ascii_only = (json.dumps(value, ensure_ascii=each)[1:-1] for each in (False, True))
    escaped = (plain, ascii_only, plain.replace("/", "\\/"), ascii_only.replace("/", "\\/"))
    pointer = value.replace("~", "~0").replace("/", "~1")
    url = (quote(value, safe="", errors="replace"), quote_plus(value, errors="replace"))
    return tuple(dict.fromkeys((value, *escaped, pointer, *url)))
