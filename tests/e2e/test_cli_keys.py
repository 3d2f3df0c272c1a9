"""``hookkey keys`` creates, reads, renames and deletes keys of the local org."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys

from .shell import Shell


def test_an_administrators_afternoon(shell: Shell) -> None:
    """An administrator can create a key, export its JWK, and rename and delete the key."""
    made = shell.json("keys", "create", "Token hook", "--json")
    assert set(made) == {"id", "keyId", "name", "isUsed", "created", "lastUpdated", "jwk"}
    for key in (made["id"], made["keyId"], "Token hook"):
        assert shell.json("keys", "get", key, "--json")["id"] == made["id"]
        assert shell.json("keys", "public", key) == made["jwk"]
    assert shell.json("keys", "jwks") == {"keys": [made["jwk"]]}
    listed = shell("keys", "list")
    day = made["created"][:10]
    assert listed.stdout == f"{made['id']}\t{made['keyId']}\tToken hook\tno\t{day}\n"
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
    """A run renames the successor if the old key is gone; it asks, as the name may be wrong."""
    key = shell.okta.create_key("next")
    command = ("keys", "rotate", "old", "--successor", "next", "--finish", "--json")
    unasked = shell(*command)
    assert (unasked.exit_code, "--yes" in unasked.stderr) == (2, True)
    assert shell.json(*command, "--yes")["name"] == "old"
    assert [each["id"] for each in shell.okta.org.list()] == [key["id"]]
