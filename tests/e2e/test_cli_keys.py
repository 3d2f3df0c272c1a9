"""``hookkey keys`` creates, reads, renames, rotates and deletes keys of the local org."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys

from .shell import Shell


def test_an_administrators_afternoon(shell: Shell) -> None:
    """An administrator can create a key, export its JWK, and rotate, rename and delete the key."""
    made = shell.json("keys", "create", "Token hook", "--json")
    assert set(made) == {"id", "keyId", "name", "isUsed", "created", "lastUpdated", "jwk"}
    for key in (made["id"], made["keyId"], "Token hook"):
        assert shell.json("keys", "get", key, "--json")["id"] == made["id"]
        assert shell.json("keys", "public", key) == made["jwk"]
    assert shell.json("keys", "jwks") == {"keys": [made["jwk"]]}
    listed = shell("keys", "list")
    day = made["created"][:10]
    assert listed.stdout == f"{made['id']}\t{made['keyId']}\tToken hook\tno\t{day}\n"
    rotated = shell("keys", "rotate", "Token hook", "--json")
    assert rotated.exit_code == 0
    successor = json.loads(rotated.stdout)
    hint = f"hookkey keys rotate --finish --successor='{successor['name']}' -- 'Token hook'"
    assert hint in rotated.stderr
    finished = shell.json(
        "keys", "rotate", "Token hook", "--successor", successor["name"], "--finish", "--yes",
        "--json",
    )  # fmt: skip
    assert (finished["name"], finished["keyId"]) == ("Token hook", successor["keyId"])
    renamed = shell.json("keys", "rename", "Token hook", "Hook", "--json")
    assert renamed["name"] == "Hook"
    assert shell.json("keys", "jwks", "--json") == shell.json("keys", "jwks")
    assert shell.json("keys", "delete", "Hook", "--yes", "--json") == {"deleted": renamed["id"]}
    assert shell.json("keys", "list", "--json") == []


def test_texts_for_people(shell: Shell) -> None:
    """Without ``--json``, ``create`` prints the fields by name and then the JWK."""
    done = shell("keys", "create", "Token hook")
    assert done.stderr == f"created {shell.okta.org.list()[0]['id']}\n"
    head, _, jwk = done.stdout.partition("\n\n")
    assert [line.split()[0] for line in head.splitlines()] == [
        "id",
        "keyId",
        "name",
        "used",
        "created",
    ]
    assert json.loads(jwk)["alg"] == "RS256"


def test_the_second_step_of_a_rotation_finds_the_successor(shell: Shell) -> None:
    """``rotate --finish`` finds the successor by the name that the first step gave it.

    The first step accepts the key's id. Several candidates require ``--successor``.
    """
    made = shell.json("keys", "create", "Token hook", "--json")
    successor = shell.json("keys", "rotate", made["id"], "--json")
    assert successor["name"].startswith("Token hook 20")
    finished = shell.json("keys", "rotate", "Token hook", "--finish", "--yes", "--json")
    assert (finished["id"], finished["name"]) == (successor["id"], "Token hook")
    for day in ("2026-01-01", "2026-01-02"):
        shell.okta.create_key(f"Token hook {day}")
    several = shell("keys", "rotate", "Token hook", "--finish", "--yes")
    assert several.exit_code == 2
    assert "say which with --successor: 'Token hook 2026-01-01'" in several.stderr


def test_a_rename_says_what_it_did(shell: Shell) -> None:
    """A rename prints the old and the new name on stderr."""
    shell.okta.create_key("Old")
    assert shell("keys", "rename", "Old", "New").stderr == "renamed 'Old' to 'New'\n"


def test_a_deletion_is_asked_about(shell: Shell) -> None:
    """On a terminal, ``delete`` asks for confirmation, and the answer no keeps the key."""
    shell.okta.create_key("Token hook")
    leader, follower = pty.openpty()
    variables = {name: value for name, value in shell.env.items() if value is not None}
    process = subprocess.Popen(
        [sys.executable, "-m", "hookkey_verify", "keys", "delete", "Token hook"],
        stdin=follower,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **variables},
        text=True,
    )
    os.write(leader, b"n\n")
    _, asked = process.communicate(timeout=30)
    os.close(leader)
    os.close(follower)
    assert "Delete 'Token hook'" in asked
    assert process.returncode == 1
    assert len(shell.okta.org.list()) == 1


def test_a_rotation_that_was_interrupted_at_its_end(shell: Shell) -> None:
    """Repeating ``rotate --finish`` renames the new key if the old key is already deleted."""
    key = shell.okta.create_key("next")
    command = ("keys", "rotate", "old", "--successor", "next", "--finish", "--yes", "--json")
    unasked = shell(*(each for each in command if each != "--yes"))
    assert (unasked.exit_code, "--yes" in unasked.stderr) == (2, True)
    assert shell.json(*command)["name"] == "old"
    assert [each["id"] for each in shell.okta.org.list()] == [key["id"]]
    again = shell(*command)
    assert again.exit_code == 4
    assert "the rotation is finished" in again.stderr
