"""Request targets that servers, middleware and routers may interpret differently."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice, product

__all__ = ["PLAIN", "targets"]

PLAIN = (b"/hook", b"/hooks/token")
"""The protected paths in their usual form."""

_PREFIXES = (
    b"/", b"//", b"/./", b"/../", b"/x/../", b"/healthz/../", b"/healthz/", b"/healthz//", b"/;/",
    b"/;x=1/", b"/healthz;/../", b"/healthz;/", b"\\", b"/\\", b"//\\", b"/healthz\\..\\", b"%2f",
    b"/%2f", b"%2F%2f", b"/%2e/", b"/%2e%2e/", b"/x/%2e%2e/", b"/healthz/%2e%2e/",
    b"/healthz%2f..%2f", b"/healthz%2f%2e%2e%2f", b"/healthz%252f..%252f", b"/healthz%5c..%5c",
    b"/healthz?", b"/healthz?/../", b"/healthz#", b"/healthz#/", b"/healthz%3f/../",
    b"/healthz%23/../", b"/healthz%00/../", b"/healthz%0a/", b"/healthz%0d%0a/", b"/healthz/..;/",
    b"/healthz/.%00./", b"/healthz/..%c0%af", b"/healthz/%c0%ae%c0%ae/", b"/healthz/..%ef%bc%8f",
    b"/%ef%bc%8f", b"/healthz/\xef\xbc\x8e\xef\xbc\x8e/", b"http:", b"http:/", b"http:///",
    b"http://host/", b"HTTP://HOST/", b"http://host:80//", b"http://user@host/",
    b"http://host/healthz/../", b"http://host/healthz?", b"http://[::1]/", b"http://host\\",
    b"http://host?/", b"http://host#/", b"http://%68ost/", b"https://host/", b"ws://host/",
    b"file:///", b"javascript:", b"//host/", b"//healthz/../", b"///host/../", b"*", b"*/", b"/*/",
    b"?", b"?/", b"/?", b"/?/", b"#", b"#/", b"/#/", b"@", b"/@/", b"user@host:80/", b"host:80/",
    b"%80", b"/%80/", b"\x80", b"/\x80/", b"%00", b"/%00/", b"\x00", b"/\x00/", b"\t", b"/\t/",
    b"%09", b"/%20/", b"/ /", b"%0a", b"/%0a/", b"%0d%0a/", b"\x0b", b"\x7f", b"\xc2\xa0",
    b"%c2%a0", b"\xef\xbb\xbf", b"%ef%bb%bf", b"/%e2%80%ae/", b"/api/", b"/API/", b"/api//",
    b"//api/", b"/api/../", b"/api/healthz/../", b"/api/healthz?", b"/api/%2e%2e/",
    b"/apihealthz/../", b"/api/api/", b"/.", b"/~/", b"&", b"=/", b":/", b"/:/", b"[/", b"",
)  # fmt: skip
"""Text before the name of a path."""

_NAMES = (
    b"hook", b"HOOK", b"Hook", b"%68ook", b"%2568ook", b"h%6fok", b"h%6Fok", b"h%256fok",
    b"h%25256fok", b"h\x00ook", b"h%00ook", b"ho%0aok", b"h\tok", b"ho%ADok", b"%u0068ook",
    b"\xef\xbd\x88\xef\xbd\x8f\xef\xbd\x8f\xef\xbd\x8b", b"%ef%bd%88ook", b"hoo\xe2\x84\xaa",
    b"hoo%e2%84%aa", b"%c1%a8ook", b"%e0%81%a8ook", b"\xc1\xa8ook", b"h%80ook", b"h\x80ook",
    b"hook%", b"%hook", b"%6", b"h+ook", b"hooks%2ftoken", b"hooks%2Ftoken", b"hooks%252ftoken",
    b"hooks%5ctoken", b"hooks\\token", b"hooks//token", b"hooks/./token", b"hooks/x/../token",
    b"hooks;/token", b"hooks;x=1/token", b"hooks/%2e/token", b"hooks/../hooks/token",
    b"hooks%c0%aftoken", b"hooks%ef%bc%8ftoken", b"hooks\xef\xbc\x8ftoken",
    b"hooks/token/../../hook", b"hooks/TOKEN", b"HOOKS/token", b"hooks/t%6fken", b"hooks%00/token",
    b"hooks/%00token", b"hooks?/token", b"hooks#/token", b"hooks\n/token", b"hooks%0a/token",
    b"healthz", b"HEALTHZ", b"health%7a", b"healthz/../hook", b"healthz/hook",
    b"healthz/../hooks/token",
)  # fmt: skip
"""Spellings of the name of a path."""

_SUFFIXES = (
    b"", b"/", b"//", b"/.", b"/..", b"/./", b"/x/..", b"/%2e", b"/%2e%2e/hook", b"%2f", b"%2f.",
    b"%252f", b"\\", b"%5c", b";", b";x=1", b";/healthz", b";/../healthz", b"/;/healthz", b"%3b",
    b"?", b"?x=1", b"?/healthz", b"?/../healthz", b"??", b"%3f", b"%3f/healthz", b"%253f", b"#",
    b"#/healthz", b"#?", b"%23", b"%23/healthz", b"%2523", b"%0a", b"%0A", b"%0d", b"%0d%0a",
    b"%250a", b"%0a/healthz", b"%0a/../healthz", b"%00", b"%00/healthz", b"\x00", b"\x00/healthz",
    b"%09", b"\t", b"\t/healthz", b"%20", b" ", b" /healthz", b"%0b", b"\x0b", b"%0c", b"\x0c",
    b"%1c", b"\x1c", b"%7f", b"\x7f", b"%85", b"\x85", b"%c2%85", b"\xc2\x85", b"%e2%80%a8",
    b"\xe2\x80\xa8", b"%80", b"\x80", b"%ff", b"\xff", b"%c0%80", b"%c0%8a", b"\xc0\x8a", b"%c0%af",
    b"%e0%80%af", b"%ed%a0%80", b"%f4%90%80%80", b"%", b"%2", b"%zz", b"%u000a", b"/../healthz",
    b"/../hook", b"%2f..%2fhealthz", b"/..;/healthz", b"/..%00/healthz", b"@host", b":80", b":",
    b".json", b".", b"..", b"~", b"*", b"&x", b"=", b"+", b",", b"'", b'"', b"<", b">", b"|", b"{}",
    b"^", b"`", b"$", b"!", b"\r", b"\n", b"\r\n", b"\x01", b"%01", b"\x1b", b"\xad", b"%ad",
)  # fmt: skip
"""Text after the name of a path."""

_ODD = (
    b"", b"*", b"/", b"//", b"///", b"?", b"#", b"@", b"%", b"%2f", b"\\", b".", b"..", b"/.",
    b"/..", b"\x80", b"%80", b"\x00", b"%00", b"\t", b"http:", b"http:/", b"http://",
    b"http://host", b"http://[", b"http://[::1", b"http://host:port/hook", b"host:80",
    b"localhost:443", b":80", b"/healthz /hook", b"/hook HTTP/1.1", b"/hook HTTP/1.0 ",
    b"/healthz\n/hook", b"/healthz\r/hook", b"/healthz\r\n/hook", b"/healthz\x00/hook",
    b"/healthz\t/hook", b"/healthz,/hook", b"/healthz%", b"/healthz%68",
    b"/hook%2f%2e%2e%2fhealthz", b"/hook/%2e%2e/healthz",
    b"/healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /hook", b"/healthz\x80", b"/healthz%e2%80%a8",
    b"/healthz%0a", b"/healthz;", b"//healthz", b"/api/healthz", b"/healthz/hook/../../hook",
)  # fmt: skip
"""Targets that are not a combination of prefix, name and suffix."""

_SIZE = 60_000
"""Length of a very long target in bytes; some servers accept lines of at most 64 KB."""

_SITE = rb"/(?=healthz|hook)"
"""Matches the slash at which a path of the site begins."""


def targets(prefix: str = "") -> list[bytes]:
    """Return distinct targets in a fixed order, with the prefix before the paths of the site."""
    found = dict.fromkeys(_all())
    if prefix:
        moved = (_moved(target, prefix.encode()) for target in found)
        found = {**dict.fromkeys(moved), **dict.fromkeys(PLAIN)}
    return list(found)


def _moved(target: bytes, base: bytes) -> bytes:
    """Return the same target for a site that begins below a mount point."""
    if re.search(_SITE, target):
        return re.sub(_SITE, base + b"/", target, count=1)
    if target.startswith(b"/"):
        return base + target
    return re.sub(rb"(?=healthz|hook)", base[1:] + b"/", target, count=1)


def _all() -> Iterator[bytes]:
    yield from PLAIN
    yield from _some((b"/",), (b"healthz",), _SUFFIXES, step=3)
    yield from (b"/hook" + suffix for suffix in _SUFFIXES)
    yield from (prefix + b"hook" for prefix in _PREFIXES)
    yield from (b"/" + name for name in _NAMES)
    yield from _ODD
    yield from _some(_PREFIXES, (b"hooks/token",), (b"",), step=7)
    yield from _some((b"/",), (b"hooks/token",), _SUFFIXES, step=7)
    yield from _some(_PREFIXES, _NAMES, _SUFFIXES, step=_STEP)
    yield from _long()


_STEP = 15_013
"""A prime, so that consecutive targets differ in prefix, name and suffix."""


def _some(
    prefixes: tuple[bytes, ...], names: tuple[bytes, ...], suffixes: tuple[bytes, ...], *, step: int
) -> Iterator[bytes]:
    """Yield every ``step``-th combination of prefix, name and suffix."""
    return map(b"".join, islice(product(prefixes, names, suffixes), 0, None, step))


def _long() -> Iterator[bytes]:
    yield _filled(b"/healthz/", b"x", b"")
    yield _filled(b"/healthz?", b"x", b"")
    yield _filled(b"/healthz", b"%2f..%2fhook", b"")
    yield _filled(b"/healthz", b"/../healthz", b"/../hook")
    yield _filled(b"/", b"/", b"hook")
    yield _filled(b"/", b"./", b"hook")
    yield _filled(b"/hook?", b"\x80", b"")
    yield _filled(b"/hook", b"%00", b"")
    yield _filled(b"http://", b"host.", b"/hook")


def _filled(start: bytes, middle: bytes, end: bytes) -> bytes:
    return start + middle * ((_SIZE - len(start) - len(end)) // len(middle)) + end
