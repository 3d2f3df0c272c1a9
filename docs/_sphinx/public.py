"""The public modules and names, from CONTRIBUTING.md and each module's ``__all__``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Final

import hookkey_verify

__all__ = ["PACKAGE", "ROOT", "public_modules", "public_names", "reference_names"]

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = "hookkey_verify"


def public_modules() -> list[str]:
    """Return the package and the modules that CONTRIBUTING.md lists, as dotted paths."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    listed = re.search(r"Public paths: (.*?)\.\n", text, re.DOTALL)
    if listed is None:
        raise ValueError("CONTRIBUTING.md does not list the public paths")
    names = re.findall(r"`(\w+)`", listed[1])
    return [PACKAGE, *(f"{PACKAGE}.{name}" for name in names)]


def public_names(module: str) -> list[str]:
    """Return the public names of a public module as dotted paths, in the order of ``__all__``."""
    return [f"{module}.{name}" for name in import_module(module).__all__]


def reference_names(module: str) -> Iterator[tuple[str, str | None]]:
    """Yield each public name of a module, and the module where it is documented if it is another.

    A name that the package itself has is documented there, because that is how it is imported.
    """
    for name in public_names(module):
        short = name.rpartition(".")[2]
        elsewhere = module != PACKAGE and short in hookkey_verify.__all__
        if not elsewhere and module == f"{PACKAGE}.hooks" and short in _errors():
            yield name, f"{PACKAGE}.errors"
        else:
            yield name, PACKAGE if elsewhere else None


def _errors() -> list[str]:
    return list(import_module(f"{PACKAGE}.errors").__all__)
