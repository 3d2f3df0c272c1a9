"""Run the clients against the emulator, ``TokenEndpoint`` and ``JwksBridge``.

python -m tests.clients.run [--cache DIRECTORY] [--only NAME] [--fast] [--write]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import environments, table
from .environments import CLIENTS, FAST, Client, ClientError
from .peers import peers
from .table import Row

DOCUMENT = Path(__file__).parents[2] / "docs/clients.md"
CACHE = Path.home() / ".cache/hookkey_verify-clients"


def main(arguments: list[str] | None = None) -> int:
    """Return the exit status: 0, or 1 when the results differ from the document."""
    options = _parser().parse_args(arguments)
    clients = [each for each in CLIENTS if _is_chosen(each, options)]
    rows = _tried(clients, options.cache)
    names = {client.title for client in clients}
    document = DOCUMENT.read_text() if DOCUMENT.exists() else ""
    if options.write:
        all_ = not options.only and not options.fast
        DOCUMENT.write_text(table.text_of(rows if all_ else table.merged(document, rows, names)))
        return 0
    lines = table.difference(document, rows, names)
    print("\n".join(lines) or f"{len(rows)} results are as in {DOCUMENT.name}")
    return 1 if lines else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.clients.run")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where clients are installed")
    parser.add_argument("--only", choices=[client.name for client in CLIENTS], action="append")
    parser.add_argument("--fast", action="store_true", help="only clients that install quickly")
    parser.add_argument("--write", action="store_true", help=f"write docs/{DOCUMENT.name}")
    return parser


def _is_chosen(client: Client, options: argparse.Namespace) -> bool:
    if options.only and client.name not in options.only:
        return False
    return not options.fast or client.name in FAST


def _tried(clients: list[Client], cache: Path) -> list[Row]:
    """Install and run each client; report the progress on standard error."""
    rows: list[Row] = []
    with peers() as config:
        for client in clients:
            try:
                seconds = environments.install(client, cache)
                outcomes = environments.run(client, cache, config)
            except ClientError as error:
                seconds, outcomes = 0.0, {"installing and running": f"failed: {error}"}
            rows += table.rows_of(client.title, outcomes)
            good = sum(outcome == "ok" for outcome in outcomes.values())
            progress = f"{client.name}: {good} of {len(outcomes)} ok, installed in {seconds:.1f} s"
            print(progress, file=sys.stderr, flush=True)
    return rows


if __name__ == "__main__":
    sys.exit(main())
