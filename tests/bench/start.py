"""The duration of ``hookkey keys list``, compared with only importing Okta's SDK.

OKTA_SDK_PYTHON=… python -m tests.bench.start

OKTA_SDK_PYTHON is a Python in which the package ``okta`` is installed. Both start a new process
in each round; the results are medians.
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
    """Run the benchmark and print both medians and their ratio."""
    commands = {"hookkey keys list": [sys.executable, "-m", "hookkey_verify", "keys", "list"]}
    sdk = os.environ.get("OKTA_SDK_PYTHON")
    if sdk:
        commands["import okta.client"] = [sdk, "-c", "import okta.client"]
    else:
        print("OKTA_SDK_PYTHON is not set: skipping Okta's SDK")
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
