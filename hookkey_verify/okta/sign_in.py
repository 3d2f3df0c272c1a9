"""Creates credentials from the settings, for one of three ways to sign in to Okta."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from ..settings import HERE, NAMES, Settings
from .credentials import ApiToken, BearerToken, Credentials

__all__ = ["arguments_from_env", "connection", "credentials"]

READ = "okta.inlineHooks.read"
_SECRETS = ("token", "private_key")


def credentials(settings: Settings) -> Credentials:
    """Return the configured credentials, selected by Okta's ``authorizationMode``.

    ``SSWS`` (the default if there is a token) is an API token, ``Bearer`` an access token, and
    ``PrivateKey`` (the default otherwise) a service app. Raises ``ConfigurationError`` naming what
    is missing.
    """
    _refuse_redirection(settings, {name: settings.origin(name) for name in _SECRETS})
    mode = settings.text("authorization_mode")
    if mode is None:
        service_app = settings.text("token") is None and settings.text("private_key") is not None
        mode = "PrivateKey" if service_app else "SSWS"
    match mode.lower():
        case "ssws":
            return ApiToken(settings.need("token"))
        case "bearer":
            return BearerToken(settings.need("token"))
        case "privatekey":
            from .service_app import ServiceApp  # noqa: PLC0415 - imports jwt: 40 ms

            return ServiceApp(
                settings.need("org_url"),
                settings.need("client_id"),
                _private_key(settings.need("private_key")),
                key_id=settings.text("key_id"),
                scopes=settings.words("scopes") or (READ,),
                dpop=settings.flag("dpop"),
                **connection(settings),
            )
    raise ConfigurationError(
        f"{settings.place('authorization_mode')} must be SSWS, Bearer or PrivateKey"
    )


def arguments_from_env(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options completed by the configured org_url, credentials, verify and proxies.

    Options override settings. Raises ``ConfigurationError``.
    """
    settings = Settings({name: options[name] for name in options if name in NAMES})
    arguments = {name: value for name, value in options.items() if name not in NAMES}
    org_url = settings.need("org_url")
    if "credentials" in arguments:
        _refuse_redirection(settings, {"credentials": "argument"})
    else:
        arguments["credentials"] = credentials(settings)
    return {"org_url": org_url, **connection(settings), **arguments}


def connection(settings: Settings) -> dict[str, Any]:
    """Return the configured arguments ``verify`` and ``proxies``."""
    proxy = settings.text("proxy")
    return {
        "verify": settings.text("ca_bundle") or True,
        "proxies": None if proxy is None else {"https": proxy, "http": proxy},
    }


def _refuse_redirection(settings: Settings, origins: Mapping[str, str | None]) -> None:
    """Refuse an org URL from the working directory for a secret from another source."""
    here = str(HERE)
    if settings.origin("org_url") != here:
        return
    for secret, origin in origins.items():
        if origin not in (None, here):
            where = "an argument" if origin == "argument" else origin
            raise ConfigurationError(
                f"./okta.yaml names an org URL, but {secret} comes from {where}: put both into one "
                "place, pass org_url, or set OKTA_CLIENT_ORGURL"
            )


def _private_key(value: str) -> str:
    """Return a PEM, given as text or as the path of a file, as Okta's SDKs accept it."""
    if "-----BEGIN" in value:
        return value.replace("\\n", "\n")  # a PEM in one line of an env file
    try:
        return Path(value).read_text()
    except (OSError, ValueError):
        raise ConfigurationError(
            "private_key must be a PEM or the path of a file that can be read"
        ) from None
