"""Settings: arguments before environment before Okta's files. Reads, and builds nothing.

Okta's SDKs read ``OKTA_CLIENT_*`` and, in the user's home and in the working directory,
``okta.yaml`` with the same names under ``okta.client``; so do we, with the environment before the
files and the working directory before the home. What is ours alone is named ``HOOKKEY_*``.
https://github.com/okta/okta-sdk-python#configuration-reference
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .errors import ConfigurationError

__all__ = ["HERE", "NAMES", "Name", "Settings"]

MAX_FILE: Final = 64 * 1024
HERE: Final = Path("okta.yaml")
"""Okta's file in the working directory, which may be anybody's."""


@dataclass(frozen=True, slots=True)
class Name:
    """Where a setting may come from."""

    variable: str
    """In the environment."""
    key: str | None = None
    """In okta.yaml, below ``okta.client``; None: not there."""
    secret: bool = False
    """Whether its value must not be shown."""


NAMES: Final[Mapping[str, Name]] = {
    "org_url": Name("OKTA_CLIENT_ORGURL", "orgUrl"),
    "authorization_mode": Name("OKTA_CLIENT_AUTHORIZATIONMODE", "authorizationMode"),
    "token": Name("OKTA_CLIENT_TOKEN", "token", secret=True),
    "client_id": Name("OKTA_CLIENT_CLIENTID", "clientId"),
    "private_key": Name("OKTA_CLIENT_PRIVATEKEY", "privateKey", secret=True),
    "key_id": Name("OKTA_CLIENT_KID", "kid"),
    "scopes": Name("OKTA_CLIENT_SCOPES", "scopes"),
    "dpop": Name("OKTA_CLIENT_DPOPENABLED", "dpopEnabled"),
    "ca_bundle": Name("HOOKKEY_CA_BUNDLE"),
    "proxy": Name("HOOKKEY_PROXY", secret=True),
    "hook_client_id": Name("HOOKKEY_CLIENT_ID"),
    "token_url": Name("HOOKKEY_TOKEN_URL"),
    "issuer": Name("HOOKKEY_ISSUER"),
    "audience": Name("HOOKKEY_AUDIENCE"),
    "hook_scopes": Name("HOOKKEY_SCOPES"),
}

_NULLS = (None, "", "~", "null", "Null", "NULL")  # YAML 1.2 section 10.3.2
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class Settings:
    """What is configured, and where each value came from."""

    def __init__(
        self,
        given: Mapping[str, Any] | None = None,
        *,
        flags: Mapping[str, str] | None = None,
        environ: Mapping[str, str] | None = None,
        files: tuple[Path, ...] | None = None,
    ) -> None:
        """``given`` are arguments by the names of ``NAMES``; None counts as not given.

        ``flags`` are the command line's names of these arguments, for errors to name.
        ``environ`` and ``files`` (the first one wins) are for tests; None means this process's
        environment, ``./okta.yaml`` and ``~/.okta/okta.yaml``.

        Raises ``ConfigurationError`` for a name that does not exist.
        """
        given = {name: value for name, value in (given or {}).items() if value is not None}
        for name in given:
            if name not in NAMES:
                raise ConfigurationError(f"there is no setting {name}")
        self._given = given
        self.flags = flags or {}
        self._environ = os.environ if environ is None else environ
        self._files = _okta_files() if files is None else files
        self._read: list[tuple[Path, Mapping[str, Any]]] | None = None

    def __repr__(self) -> str:
        return "Settings(…)"

    def text(self, name: str) -> str | None:
        """Return a setting, or None. Raises ``ConfigurationError`` when it is not text."""
        value = self._find(name)[0]
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, bool):
            return str(value)
        raise ConfigurationError(f"{self.place(name)} must be text")

    def need(self, name: str) -> str:
        """Return a setting, or raise ``ConfigurationError`` that says where to put it."""
        value = self.text(name)
        if value is None:
            where = NAMES[name]
            in_file = f", or okta.client.{where.key} in okta.yaml" if where.key else ""
            by_flag = f"pass {self.flags[name]} or " if name in self.flags else ""
            what = name.replace("_", " ").replace("url", "URL")
            raise ConfigurationError(
                f"the {what} is missing: {by_flag}set {where.variable}{in_file}"
            )
        return value

    def words(self, name: str) -> tuple[str, ...]:
        """Return a setting that is a list in a file, or words between commas or spaces."""
        value = self._find(name)[0]
        if value is None:
            return ()
        if isinstance(value, str):
            return tuple(value.replace(",", " ").split())
        if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
            return tuple(value)
        raise ConfigurationError(f"{self.place(name)} must be a list of words")

    def flag(self, name: str) -> bool:
        """Return a setting that is true or false; false when it is not there."""
        value = self._find(name)[0]
        if value is None or isinstance(value, bool):
            return value or False
        flag = _BOOLEANS.get(value.strip().lower()) if isinstance(value, str) else None
        if flag is None:
            raise ConfigurationError(f"{self.place(name)} must be true or false")
        return flag

    def origin(self, name: str) -> str | None:
        """Tell where a setting comes from: "argument", the variable, or the file; None: nowhere."""
        return self._find(name)[1]

    def place(self, name: str) -> str:
        """Tell where to change a setting: the argument, the variable or the key in a file."""
        where, origin = NAMES[name], self.origin(name)
        if origin == "argument":
            return self.flags.get(name, name)
        if origin in (None, where.variable):
            return where.variable
        return f"okta.client.{where.key} in {origin}"

    def _find(self, name: str) -> tuple[Any, str | None]:
        if name in self._given:
            return self._given[name], "argument"
        where = NAMES[name]
        value = self._environ.get(where.variable)
        if value:  # an empty variable is how shells and container files say "not set"
            return value, where.variable
        if where.key is not None:
            for path, settings in self._from_files():
                if settings.get(where.key) not in _NULLS:
                    return settings[where.key], str(path)
        return None, None

    def _from_files(self) -> list[tuple[Path, Mapping[str, Any]]]:
        if self._read is None:
            self._read = [(path, _read(path)) for path in self._files if _is_file(path)]
        return self._read


def _okta_files() -> tuple[Path, ...]:
    try:
        return HERE, Path.home() / ".okta" / "okta.yaml"
    except RuntimeError:  # no home
        return (HERE,)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a home that this process may not look into
        return False


def _read(path: Path) -> Mapping[str, Any]:
    try:
        import yaml  # noqa: PLC0415 - an extra, and only needed where there is such a file
    except ImportError:
        raise ConfigurationError(
            f"{path} needs PyYAML to be read: pip install 'hookkey_verify[cli]', or set the "
            "OKTA_CLIENT_* variables"
        ) from None
    try:
        octets = path.read_bytes()
        # Every scalar is a string here: a token of digits stays one. And nothing is merged, which
        # makes gigabytes of a few lines.
        document = yaml.load(octets, yaml.BaseLoader) if len(octets) <= MAX_FILE else None  # noqa: S506
    except Exception:  # PyYAML raises what it likes for odd tags
        document = None
    settings = document
    for part in ("okta", "client"):
        settings = settings.get(part) if isinstance(settings, Mapping) else None
    if not isinstance(settings, Mapping):
        raise ConfigurationError(f"{path} is not YAML with settings below okta.client")
    return settings
