"""Where public keys come from: an Okta org's hook keys, an authorization server, or a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .first_of import first_of as first_of

__all__ = ["first_of"]


def __getattr__(name: str) -> Any:
    """Import ``first_of`` when somebody asks for it: ``StaticKeys`` is in this folder, too."""
    if name != "first_of":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .first_of import first_of  # noqa: PLC0415

    globals()[name] = first_of  # which the import has just set to the module
    return first_of
