"""How long the shell waits: ``hookkey keys list`` beside the import of Okta's SDK alone.

OKTA_SDK_PYTHON=… python -m tests.bench.start

OKTA_SDK_PYTHON is a Python that has the package ``okta``. Cold starts, interleaved, medians.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

from hookkey_verify.emulator import OktaEmulator

ROUNDS = 7


def _seconds(command: list[str], env: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    """Print both medians and their ratio."""
    commands = {"hookkey keys list": [sys.executable, "-m", "hookkey_verify", "keys", "list"]}
    sdk = os.environ.get("OKTA_SDK_PYTHON")
    if sdk:
        commands["import okta.client"] = [sdk, "-c", "import okta.client"]
    else:
        print("OKTA_SDK_PYTHON is not set: Okta's SDK is left out")
    with OktaEmulator() as okta:
        settings = {"OKTA_CLIENT_ORGURL": okta.url, "OKTA_CLIENT_TOKEN": okta.api_token}
        env = {**os.environ, **settings}
        rounds = [
            {name: _seconds(command, env) for name, command in commands.items()}
            for _ in range(ROUNDS)
        ]
    medians = {name: statistics.median(each[name] for each in rounds) for name in commands}
    for name, seconds in medians.items():
        print(f"{name:20} {seconds:.2f} s")
    if sdk:
        ours, theirs = medians.values()
        print(f"{'ratio':20} {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
