"""Seed files of an emulated org."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hookkey_verify import ConfigurationError
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.emulator.seed import apply_seed, read_seed

SEED: dict[str, Any] = {
    "keys": ["Token hook", "Other"],
    "hooks": [
        {"uri": "https://a.io/open"},
        {"name": "dance", "uri": "https://a.io/hook", "key": "Token hook"},
        {
            "name": "own server",
            "uri": "https://a.io/hook",
            "key": "Other",
            "token_url": "https://a.io/token",
            "client_id": "0oa1",
            "scope": "a b",
            "type": "com.okta.saml.tokens.transform",
        },
        {"name": "secret", "uri": "https://a.io/hook", "client_secret": "s3cret"},
        {"name": "header", "uri": "https://a.io/hook", "secret": ["X-Secret", "s3cret"]},
    ],
}


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_apply_seed(okta: OktaEmulator, tmp_path: Path, form: str) -> None:
    """A seed in JSON or YAML creates keys and hooks of every kind."""
    file = tmp_path / f"org.{form}"
    file.write_text(
        json.dumps(SEED) if form == "json" else json.dumps(SEED, indent=1).replace('"keys"', "keys")
    )
    keys = apply_seed(okta, read_seed(file))
    assert [key["name"] for key in keys] == ["Token hook", "Other"]
    assert [key["isUsed"] for key in okta.org.list()] == [True, True]
    hooks = {hook["name"]: hook["channel"] for hook in okta.hooks.list()}
    assert set(hooks) == {"Hook 1", "dance", "own server", "secret", "header"}
    assert hooks["own server"]["config"]["tokenUrl"] == "https://a.io/token"
    assert hooks["dance"]["config"]["tokenUrl"] == f"{okta.issuer}/v1/token"
    assert hooks["header"]["config"]["authScheme"] == {"type": "HEADER", "key": "X-Secret"}
    assert "s3cret" not in str(hooks)


def test_an_empty_seed(okta: OktaEmulator) -> None:
    """An empty seed creates nothing."""
    assert apply_seed(okta, {}) == apply_seed(okta, {"keys": None, "hooks": ""}) == []


@pytest.mark.parametrize("content", ["[", "[]", "x", "apps: []", "\0", "a: &a [*a]"])
def test_invalid_seed_files(tmp_path: Path, content: str) -> None:
    """The error names a seed file that is invalid or missing."""
    file = tmp_path / "org.yaml"
    file.write_text(content)
    with pytest.raises(ConfigurationError, match=r"org\.yaml"):
        read_seed(file)
    with pytest.raises(ConfigurationError, match="absent"):
        read_seed(tmp_path / "absent")


@pytest.mark.parametrize(
    ("seed", "problem"),
    [
        ({"keys": "a"}, "must be lists"),
        ({"hooks": {"uri": "x"}}, "must be lists"),
        ({"keys": ["a", "a"]}, "'a'.*in use already"),
        ({"keys": [""]}, "must have 1 to 255"),
        ({"keys": [["a"]]}, "must have 1 to 255"),
        ({"hooks": ["x"]}, r"hooks\[0\] needs a uri"),
        ({"hooks": [{}]}, r"hooks\[0\] needs a uri"),
        ({"hooks": [{"uri": "https://a.io", "url": "x"}]}, r"hooks\[0\] needs a uri"),
        ({"hooks": [{"uri": "ftp://a.io"}]}, r"hooks\[0\].*https"),
        ({"hooks": [{"uri": "https://a.io", "key": "k"}]}, "there is no key 'k'"),
        ({"hooks": [{"uri": "https://a.io", "secret": "s"}]}, "a header and its value"),
        ({"hooks": [{"uri": "https://a.io", "secret": [["a"], "b"]}]}, "a header and its value"),
        ({"hooks": [{"uri": "https://a.io", "name": ["a"]}]}, r"hooks\[0\]: name must be text"),
        ({"hooks": [{"uri": "https://a.io", "key": ["a"]}]}, r"hooks\[0\]: key must be text"),
        (
            {"hooks": [{"uri": "https://a.io", "client_id": "c"}]},
            "client_id can only be used with key",
        ),
        ({"hooks": [{"uri": "https://a.io", "scope": {}}]}, r"hooks\[0\]: scope must be text"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_invalid_seeds(okta: OktaEmulator, seed: Any, problem: str) -> None:
    """The error names the invalid entry."""
    with pytest.raises(ConfigurationError, match=problem):
        apply_seed(okta, seed)


@pytest.mark.parametrize(
    ("seed", "numbers"),
    [
        ({"keys": ["a", "b"], "hooks": [{}]}, "2 keys, 0 hooks"),
        ({"keys": ["a", "there", "a"]}, "1 key, 0 hooks"),
        ({"hooks": [{"uri": "https://a.io/h"}, {"uri": "ftp://a.io"}]}, "0 keys, 1 hook"),
        ({"keys": ["there"], "hooks": [{}]}, ""),
    ],
)
def test_a_seed_that_fails_in_the_middle(okta: OktaEmulator, seed: Any, numbers: str) -> None:
    """The error says how many keys and hooks were created before the invalid entry."""
    okta.create_key("there")
    with pytest.raises(ConfigurationError) as caught:
        apply_seed(okta, seed)
    _, _, told = caught.value.detail.partition(". Created before: ")
    assert told == numbers
