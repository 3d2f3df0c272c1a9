"""Settings from arguments, environment variables and Okta's configuration files, in that order.

Like Okta's SDKs, this reads ``OKTA_CLIENT_*`` and the same names under ``okta.client`` in
``okta.yaml``, first in the working directory and then in the home directory. Our own settings are
named ``HOOKKEY_*``.
https://github.com/okta/okta-sdk-python#configuration-reference
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .errors import DOCS_URL, ConfigurationError

__all__ = ["HERE", "NAMES", "Name", "Settings"]

MAX_FILE: Final = 64 * 1024
HERE: Final = Path("okta.yaml")
"""Okta's file in the working directory, which others may be able to write."""


@dataclass(frozen=True, slots=True)
class Name:
    """The sources of a setting.

    For example:

    >>> from hookkey_verify.settings import NAMES
    >>> NAMES["org_url"].variable, NAMES["org_url"].key
    ('OKTA_CLIENT_ORGURL', 'orgUrl')
    """

    variable: str
    """The environment variable."""
    key: str | None = None
    """The key below ``okta.client`` in okta.yaml, or None."""
    secret: bool = False
    """Whether the value must not be shown."""
    text: str = ""
    """What it is, in one sentence, for the documentation."""


NAMES: Final[Mapping[str, Name]] = {
    "org_url": Name(
        "OKTA_CLIENT_ORGURL", "orgUrl", text="The URL of the org, such as `https://acme.okta.com`."
    ),
    "authorization_mode": Name(
        "OKTA_CLIENT_AUTHORIZATIONMODE",
        "authorizationMode",
        text="How to sign in to the org: `SSWS` with an API token, `Bearer` with an access token, "
        "or `PrivateKey` as a service app.",
    ),
    "token": Name(
        "OKTA_CLIENT_TOKEN",
        "token",
        secret=True,
        text="The API token, or the access token in the mode `Bearer`.",
    ),
    "client_id": Name("OKTA_CLIENT_CLIENTID", "clientId", text="The client id of the service app."),
    "private_key": Name(
        "OKTA_CLIENT_PRIVATEKEY",
        "privateKey",
        secret=True,
        text="The private key of the service app: a PEM, or the path of its file.",
    ),
    "key_id": Name(
        "OKTA_CLIENT_KID", "kid", text="The `kid` of that key, for an app with several keys."
    ),
    "scopes": Name(
        "OKTA_CLIENT_SCOPES",
        "scopes",
        text="The scopes of the service app, separated by commas or spaces.",
    ),
    "dpop": Name(
        "OKTA_CLIENT_DPOPENABLED",
        "dpopEnabled",
        text="Whether the service app uses DPoP: true or false.",
    ),
    "ca_bundle": Name(
        "HOOKKEY_CA_BUNDLE", text="A file of CA certificates to trust in place of those of certifi."
    ),
    "proxy": Name(
        "HOOKKEY_PROXY", secret=True, text="The URL of an HTTP proxy for requests to Okta."
    ),
    "hook_client_id": Name("HOOKKEY_CLIENT_ID", text="The client id in the hook's settings."),
    "token_url": Name(
        "HOOKKEY_TOKEN_URL", text="The token URL in the hook's settings, to the letter."
    ),
    "issuer": Name(
        "HOOKKEY_ISSUER", text="The issuer of the access tokens that the hook receives."
    ),
    "audience": Name("HOOKKEY_AUDIENCE", text="Their audience."),
    "hook_scopes": Name(
        "HOOKKEY_SCOPES", text="The scopes that they must have, separated by commas or spaces."
    ),
    "docs_url": Name(
        DOCS_URL,
        text="The address of a copy of this site. If it is set, error texts end with a link to the "
        "entry of their reason.",
    ),
}
"""Each setting by its name in Python."""

_NULLS = (None, "", "~", "null", "Null", "NULL")  # YAML 1.2 section 10.3.2
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class Settings:
    """The configured values and their origins.

    For example:

    >>> from hookkey_verify.settings import Settings
    >>> settings = Settings(environ={"HOOKKEY_SCOPES": "hooks,admin"}, files=())
    >>> settings.words("hook_scopes"), settings.origin("hook_scopes")
    (('hooks', 'admin'), 'HOOKKEY_SCOPES')
    >>> settings.need("org_url")
    Traceback (most recent call last):
        ...
    hookkey_verify.errors.ConfigurationError: hookkey_verify is not configured correctly...
    """

    def __init__(
        self,
        given: Mapping[str, Any] | None = None,
        *,
        flags: Mapping[str, str] | None = None,
        environ: Mapping[str, str] | None = None,
        files: tuple[Path, ...] | None = None,
    ) -> None:
        """Create settings; files are read when they are needed.

        ``given``: arguments by the names in ``NAMES``. None counts as not given.
        ``flags``: the command-line flags of these arguments, for error messages.
        ``environ``: the environment. Default None: that of this process.
        ``files``: the configuration files; the first one that has a setting wins. Default None:
            ``./okta.yaml`` and ``~/.okta/okta.yaml``.

        Raises ``ConfigurationError`` for an unknown name.
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
        """Return a setting, or None. Raises ``ConfigurationError`` if it is not text."""
        value = self._find(name)[0]
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, bool):
            return str(value)
        raise ConfigurationError(f"{self.place(name)} must be text")

    def need(self, name: str) -> str:
        """Return a setting. Raises ``ConfigurationError`` with where to set it if it is missing."""
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
        """Return a setting that is a list in a file, or text separated by commas or spaces."""
        value = self._find(name)[0]
        if value is None:
            return ()
        if isinstance(value, str):
            return tuple(value.replace(",", " ").split())
        if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
            return tuple(value)
        raise ConfigurationError(f"{self.place(name)} must be a list of words")

    def flag(self, name: str) -> bool:
        """Return a setting that is true or false; default false."""
        value = self._find(name)[0]
        if value is None or isinstance(value, bool):
            return value or False
        flag = _BOOLEANS.get(value.strip().lower()) if isinstance(value, str) else None
        if flag is None:
            raise ConfigurationError(f"{self.place(name)} must be true or false")
        return flag

    def origin(self, name: str) -> str | None:
        """Return the origin of a setting: "argument", the variable, the file, or None."""
        return self._find(name)[1]

    def place(self, name: str) -> str:
        """Return where to change a setting: the argument, the variable or the key in a file."""
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
        if value:  # shells and container files use an empty variable for "not set"
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
    except OSError:  # the process may not read the home directory
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
        data = path.read_bytes()
        # BaseLoader keeps every scalar a string, such as a token of digits, and does not expand
        # merge keys, which can turn a few lines into gigabytes.
        document = yaml.load(data, yaml.BaseLoader) if len(data) <= MAX_FILE else None  # noqa: S506
    except Exception:  # PyYAML raises many types for odd tags
        document = None
    settings = document
    for part in ("okta", "client"):
        settings = settings.get(part) if isinstance(settings, Mapping) else None
    if not isinstance(settings, Mapping):
        raise ConfigurationError(f"{path} must be YAML with settings below okta.client")
    return settings
