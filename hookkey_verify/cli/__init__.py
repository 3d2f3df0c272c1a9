"""The ``hookkey`` command, a thin layer over the public API.

Exit codes: 0 success, 1 a check failed or a request was refused, 2 wrong usage or configuration or
a missing extra, 3 unavailable, 4 not found, 5 forbidden, 6 a rotation that must be continued.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib.util import find_spec
from io import TextIOWrapper

__all__ = ["main"]


def main() -> None:
    """Run the command, or print which extra it needs."""
    missing = [name for name in ("click", "rich") if find_spec(name) is None]
    if missing:
        sys.stderr.write(
            f"hookkey needs {' and '.join(missing)}: pip install 'hookkey_verify[cli,emulator]'\n"
        )
        raise SystemExit(2)
    from .commands import hookkey  # noqa: PLC0415 - needs the extra

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # None when the shell has closed it
            stream.reconfigure(errors="backslashreplace")
    try:
        hookkey()
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        _complain(f"a file or the output fails: {reason}")
    except RecursionError:
        raise
    except RuntimeError:  # click's type for a missing stream
        _complain("there is no standard input")


def _complain(text: str) -> None:
    with suppress(OSError, AttributeError):  # stderr is closed
        sys.stderr.write(f"hookkey: {text}\n")
    raise SystemExit(3)
