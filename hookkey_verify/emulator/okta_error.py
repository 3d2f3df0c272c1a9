"""Okta's error responses and ids. Pure."""

from __future__ import annotations

import secrets
import string
from datetime import UTC, datetime
from typing import Any

__all__ = ["OktaError", "identifier", "invalid", "no_endpoint", "not_found", "timestamp"]

_ID_CHARACTERS = string.ascii_letters + string.digits


class OktaError(Exception):
    """An error response with status, code and summary.

    https://developer.okta.com/docs/reference/error-codes/

    For example:

    >>> from hookkey_verify.emulator import OktaError
    >>> error = OktaError(404, "E0000007", "Not found: Resource not found: HKY1 (HookKey)")
    >>> error.status, error.body()["errorCode"]
    (404, 'E0000007')
    """

    def __init__(
        self, status: int, code: str, summary: str, *causes: str, challenge: str = ""
    ) -> None:
        """``challenge`` is the value of ``WWW-Authenticate``."""
        super().__init__(summary)
        self.headers = {"WWW-Authenticate": challenge} if challenge else {}
        self.status = status
        self.code = code
        self.summary = summary
        self.causes = causes

    def __str__(self) -> str:
        return f"{self.summary}: {'; '.join(self.causes)}" if self.causes else self.summary

    def body(self) -> dict[str, Any]:
        """Return the error object; ``errorId`` is new each time."""
        return {
            "errorCode": self.code,
            "errorSummary": self.summary,
            "errorLink": self.code,
            "errorId": "oae" + identifier(22),
            "errorCauses": [{"errorSummary": cause} for cause in self.causes],
        }


def invalid(what: str, cause: str) -> OktaError:
    """Return the error for an invalid value. GUESS: the text of the summary."""
    return OktaError(400, "E0000001", f"Api validation failed: {what}", cause)


def not_found(id: str, kind: str) -> OktaError:  # noqa: A002 - Okta's name
    """Return the error for an unknown id.

    The form "Not found: Resource not found: … (Type)" is recorded. GUESS: the types.
    """
    return OktaError(404, "E0000007", f"Not found: Resource not found: {id} ({kind})")


def no_endpoint() -> OktaError:
    """Return the error for an unknown path.

    GUESS: its code, which is documented for unsupported methods.
    """
    return OktaError(404, "E0000022", "The endpoint does not support the provided HTTP method")


def timestamp(seconds: float) -> str:
    """Return epoch seconds in Okta's format, in whole seconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def identifier(length: int) -> str:
    """Return random letters and digits, like those of Okta's ids."""
    return "".join(secrets.choice(_ID_CHARACTERS) for _ in range(length))
