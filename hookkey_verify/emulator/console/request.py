"""Checks requests to the console: local host names, forms of its own page, bounded sizes.

The console requires no credentials, so other web pages must not be able to use it. It answers only
requests to local host names, which prevents DNS rebinding. It accepts only forms with the secret in
the page, and none that the browser says another site has sent (``Sec-Fetch-Site``).
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

__all__ = ["Gate", "org_url", "protected", "text"]

MAX_FORM: Final = 64 * 1024


class Gate:
    """Decides which requests the console answers."""

    def __init__(self, *, any_host: bool) -> None:
        """Create a gate with a new secret.

        ``any_host``: whether to accept any host name, for an org that is not local.
        """
        self._any_host = any_host
        self.secret = secrets.token_urlsafe(32)

    def refusal(self, request: Request) -> Response | None:
        """Return the response to a request for a foreign host name, or None."""
        given = request.headers.get("host", "")
        try:
            host = urlsplit("//" + given).hostname
        except ValueError:
            host = None
        if self._any_host or (_is_local(host) and not set(given) & set("@/?#")):
            return None
        return text("The console responds only under local host names.", 403)

    def foreign(self, request: Request) -> Response | None:
        """Return the response to a request that another site caused, or None."""
        if request.headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
            return None
        return text("Another site caused this request: use the page of the console.", 403)

    async def form(self, request: Request) -> Mapping[str, str] | Response:
        """Return the fields of a form, or the response that refuses it."""
        refused = self.refusal(request) or self.foreign(request)
        if refused is not None:
            return refused
        body = bytearray()
        with suppress(ClientDisconnect):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_FORM:
                    return text("The form is too large.", 413)
        form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        given = form.pop("secret", "").encode("utf-8", "replace")
        if not secrets.compare_digest(given, self.secret.encode()):
            return text("The page is from an earlier start of the emulator: reload it.", 403)
        return form


def _is_local(host: str | None) -> bool:
    """Return whether a host is localhost or a loopback address; other names can be rebound."""
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def org_url(request: Request) -> str:
    """Return the URL of the org in this request; it may be mounted below a path."""
    url, below = request.url, request.scope.get("root_path", "")
    return f"{url.scheme}://{url.netloc}{below}".rstrip("/")


def protected(nonce: str) -> dict[str, str]:
    """Return the headers of a page whose one style and one script have this nonce."""
    policy = (
        f"default-src 'none'; img-src data:; style-src 'nonce-{nonce}'; "
        f"script-src 'nonce-{nonce}'; connect-src 'self'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


def text(words: str, status: int) -> Response:
    """Return a response without a page."""
    headers = protected(secrets.token_urlsafe(16))
    return Response(words + "\n", status, media_type="text/plain", headers=headers)
