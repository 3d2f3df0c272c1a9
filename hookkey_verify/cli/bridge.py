"""``hookkey bridge`` serves the org's hook keys as a JWK Set."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

import click

from ..errors import ConfigurationError
from ..jwks_bridge import JwksBridge
from .org import READS_KEYS, find_key
from .output import command, tell

__all__ = ["bridge"]

PATH = "/.well-known/jwks.json"


@click.command(epilog=f"Needs {READS_KEYS}")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=8080, show_default=True,
    help="The port to listen on. 0: a free one.",
)  # fmt: skip
@click.option(
    "--name",
    "names",
    multiple=True,
    help="Serve only this key, by name or id. May be repeated.",
)
@click.option("--fresh-for", type=click.FloatRange(1, 86_400), default=300, show_default=True,
              help="Seconds until the keys are fetched again.")  # fmt: skip
@command
def bridge(host: str, port: int, names: tuple[str, ...], fresh_for: float) -> None:
    """Serve the public keys of the org's hook keys as a JWK Set until Ctrl-C.

    The path is /.well-known/jwks.json, for an authorization server that reads a jwks_uri. Put TLS
    in front of it. OKTA_CLIENT_ORGURL and OKTA_CLIENT_TOKEN, or okta.yaml, define the org.

    Example: hookkey bridge --port 8080 --name "Token hook"
    """
    try:
        import uvicorn  # noqa: PLC0415 - needs the extra
    except ImportError:
        raise click.UsageError(
            "bridge needs uvicorn: pip install 'hookkey_verify[cli,emulator]'"
        ) from None
    from ..asgi import serve  # noqa: PLC0415
    from ..okta.client import HookKeysClient  # noqa: PLC0415 - imports urllib3

    with HookKeysClient.from_env() as client:
        found = [find_key(client, name).name for name in names]
        endpoint = serve(JwksBridge(client, names=found or None, fresh_for=fresh_for))

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http" and scope["path"] != PATH:
                headers = [(b"content-length", b"0")]
                await send({"type": "http.response.start", "status": 404, "headers": headers})
                await send({"type": "http.response.body", "body": b""})
                return
            await endpoint(scope, receive, send)

        config = uvicorn.Config(
            app, lifespan="off", log_config=None, server_header=False, proxy_headers=False
        )
        listener = _bound(host, port)
        tell(f"http://{host}:{listener.getsockname()[1]}{PATH}")
        with suppress(KeyboardInterrupt):  # uvicorn raises it again after it has stopped
            uvicorn.Server(config).run(sockets=[listener])


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only for a named protocol. Without it, responses take 40 ms more.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()  # listen before the URL is printed
    except (OSError, TypeError, ValueError):  # UnicodeError: an invalid host name
        listener.close()
        problem = f"{host} port {port} is in use, or is not a local address"
        raise ConfigurationError(problem) from None
    return listener
