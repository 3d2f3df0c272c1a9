"""The console of an org: a server-rendered page that needs no scripts and no external assets."""

from __future__ import annotations

from .request import org_url
from .site import Console, fire_in_thread

__all__ = ["Console", "fire_in_thread", "org_url"]
