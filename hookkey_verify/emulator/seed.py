"""Creates keys and hooks of an org from a seed file. Pure except for reading it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from .okta_error import OktaError

if TYPE_CHECKING:
    from .server import OktaEmulator

__all__ = ["apply_seed", "parse_seed", "read_seed"]

MAX_FILE = 1024 * 1024
_KINDS = ("key", "hook")
_HOOK = ("name", "uri", "type", "key", "token_url", "client_id", "client_secret", "scope", "secret")


def read_seed(path: str | PathLike[str]) -> dict[str, Any]:
    """Read a YAML or JSON file of ``keys`` and ``hooks``.

    ``keys`` is a list of names. Each entry of ``hooks`` has the arguments of
    ``OktaEmulator.create_hook``, with the name of a key as ``key``, and ``secret`` as header and
    value. Raises ``ConfigurationError`` naming the file.
    """
    try:
        data = Path(path).read_bytes()
    except OSError:
        data = b""  # which is not a seed
    return parse_seed(data, str(path))


def parse_seed(data: bytes, name: str) -> dict[str, Any]:
    """Parse the content of a seed file.

    ``data``: YAML or JSON, at most 1 MiB.
    ``name``: what the error calls it.

    Raises ``ConfigurationError`` if it is not an object of keys and hooks.
    """
    try:
        import yaml  # noqa: PLC0415 - from the extra cli
    except ImportError:
        raise ConfigurationError("a seed needs PyYAML: pip install 'hookkey_verify[cli]'") from None
    try:
        document = yaml.load(data, yaml.BaseLoader) if len(data) <= MAX_FILE else None  # noqa: S506 - builds strings, lists and dicts only
    except (ValueError, RecursionError, yaml.YAMLError):
        document = None
    if not isinstance(document, dict) or not set(document) <= {"keys", "hooks"}:
        raise ConfigurationError(f"{name} is not YAML or JSON with keys and hooks")
    return document


def apply_seed(
    okta: OktaEmulator, seed: Mapping[str, Any], *, issuer: str | None = None
) -> list[dict[str, Any]]:
    """Create the keys and hooks of a seed in a running org; return its keys.

    ``okta``: the org.
    ``seed``: the result of ``read_seed``.
    ``issuer``: as for ``OktaEmulator.create_hook``.

    Existing keys and hooks with the same names are not changed. Raises ``ConfigurationError``
    naming the entry, and the number of keys and hooks that were created before it.
    """
    names, hooks = seed.get("keys") or [], seed.get("hooks") or []
    if not isinstance(names, list) or not isinstance(hooks, list):
        raise ConfigurationError("keys and hooks of a seed must be lists")
    created: Counter[str] = Counter()
    try:
        made = _seed_keys(okta, names, created)
        _seed_hooks(okta, hooks, issuer, created)
    except ConfigurationError as error:
        if not created:
            raise
        raise ConfigurationError(f"{error.detail.removesuffix('.')}. {_told(created)}") from None
    return made


def _told(created: Counter[str]) -> str:
    """Return words with the numbers of created keys and hooks."""
    numbers = (f"{created[each]} {each}{'' if created[each] == 1 else 's'}" for each in _KINDS)
    return f"Created before: {', '.join(numbers)}"


def _seed_keys(okta: OktaEmulator, names: list[Any], created: Counter[str]) -> list[dict[str, Any]]:
    there = {key["name"]: key for key in okta.org.list()}
    made = []
    for name in names:
        if isinstance(name, str) and name in there:
            made.append(there[name])
        else:
            made.append(_made(f"the key {name!r}", okta.create_key, name))
            created["key"] += 1
    return made


def _seed_hooks(
    okta: OktaEmulator, hooks: list[Any], issuer: str | None, created: Counter[str]
) -> None:
    keys = {key["name"]: key for key in okta.org.list()}
    existing = {hook["name"] for hook in okta.hooks.list()}
    for number, hook in enumerate(hooks):
        where = f"hooks[{number}]"
        arguments = {"name": f"Hook {number + 1}", **_arguments(where, hook, keys)}
        if arguments["name"] not in existing:
            _made(where, okta.create_hook, **arguments, issuer=issuer)
            created["hook"] += 1


def _arguments(where: str, hook: object, keys: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``create_hook``. Raises ``ConfigurationError`` naming the entry."""
    if not isinstance(hook, Mapping) or not {"uri"} <= set(hook) <= set(_HOOK):
        raise ConfigurationError(f"{where} needs a uri and may have {', '.join(_HOOK)}")
    arguments = dict(hook)
    for name, value in arguments.items():
        is_form, form = _FORMS.get(name, (_is_text, "text"))
        if not is_form(value):
            raise ConfigurationError(f"{where}: {name} must be {form}")
    if "key" in arguments:
        if arguments["key"] not in keys:
            raise ConfigurationError(f"{where}: there is no key {arguments['key']!r}")
        arguments["key"] = keys[arguments["key"]]
    return arguments


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_header(value: object) -> bool:
    return value is None or (isinstance(value, list) and [*map(type, value)] == [str, str])


_FORMS = {"secret": (_is_header, "a header and its value")}


def _made(where: str, make: Any, *arguments: Any, **options: Any) -> Any:
    try:
        return make(*arguments, **options)
    except OktaError as error:
        raise ConfigurationError(f"{where}: {' '.join(error.causes)}") from None
