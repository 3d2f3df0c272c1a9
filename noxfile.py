"""Every check of the project. `nox -l` lists the sessions; CI and the workflows only call them.

`nox -s lint` creates an environment for the session and keeps it for the next run.
`nox --no-venv -s lint` uses the environment that nox is installed in.
"""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["lint", "types", "tests"]

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
EVERYTHING = ["-m", ""]
IN_PARALLEL = ["-n", "auto", "--dist", "worksteal"]
FUZZED = [
    "tests/jose/test_fuzz.py",
    "tests/hooks/test_payloads_fuzz.py",
    "tests/hooks/test_check_fuzz.py",
]
SITE = "build/site"
PAGES = [
    "tests/docs",
    "tests/test_readme.py",
    "tests/e2e/test_examples.py",
    "tests/e2e/test_hook_examples.py",
    "tests/e2e/test_tutorial.py",
    "tests/hooks/test_guide.py",
    "tests/testing/test_plugin.py",
]


def install(session: nox.Session, *requirements: str) -> None:
    """Install the project for development, unless the session uses the current environment."""
    if session.venv_backend != "none":
        session.install("-e", ".[dev]", *requirements)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests that are not marked slow; arguments go to pytest."""
    install(session)
    session.run("pytest", *(session.posargs or IN_PARALLEL))


@nox.session
def slow(session: nox.Session) -> None:
    """Run the slow tests: browsers, request targets, type checkers, stores that fail, benchmarks.

    Those of the documentation site belong to the session docs, which builds it.
    """
    install(session)
    session.run("pytest", *IN_PARALLEL, "-m", "slow", "--ignore=tests/docs", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Require full branch coverage of the modules that pyproject.toml lists."""
    install(session)
    session.run("pytest", *IN_PARALLEL, "--cov", "--cov-report=", *session.posargs)
    session.run("coverage", "report")


@nox.session(name="lower-bounds", python="3.12")
def lower_bounds(session: nox.Session) -> None:
    """Run the tests with each dependency of the package and its extras at its lower bound."""
    constraints = Path(session.create_tmp(), "lower-bounds.txt").resolve()
    bounds = session.run("python", ".ci/lower_bounds.py", silent=True)
    constraints.write_text(str(bounds))
    session.env["PIP_CONSTRAINT"] = str(constraints)
    install(session)
    session.run("pytest", *IN_PARALLEL, *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format, spelling, the layers and the workflows."""
    install(session)
    session.run("codespell")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")
    session.run("zizmor", "--offline", "--quiet", ".github")
    session.run(
        "check-jsonschema", "--builtin-schema", "vendor.github-workflows",
        *sorted(map(str, Path(".github/workflows").glob("*.yml"))),
    )  # fmt: skip
    session.run(
        "check-jsonschema", "--builtin-schema", "vendor.dependabot", ".github/dependabot.yml"
    )


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy and pyright."""
    install(session)
    session.run("mypy")
    session.run("pyright")


@nox.session
def fuzz(session: nox.Session) -> None:
    """Fuzz each parser with ten thousand inputs, or with as many as FUZZ_EXAMPLES says."""
    install(session)
    examples = os.environ.get("FUZZ_EXAMPLES", "10000")
    session.run("pytest", *IN_PARALLEL, *FUZZED, env={"FUZZ_EXAMPLES": examples})


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation site into build/site, and check it and the code in the pages."""
    install(session)
    session.run(
        "sphinx-build", "-q", "-E", "-W", "--keep-going", "-j", "2", "-b", "html", "docs", SITE
    )
    typed = "--deselect=tests/test_readme.py::test_python_is_typed"  # the session slow runs it
    session.run(
        "pytest", *IN_PARALLEL, *EVERYTHING, typed,
        *(session.posargs or PAGES),
        env={"HOOKKEY_SITE": str(Path(SITE).resolve())},
    )  # fmt: skip


@nox.session
def package(session: nox.Session) -> None:
    """Build the wheel and check its contents."""
    folder = Path(session.create_tmp()).resolve() / "wheel"
    for old in folder.glob("*.whl"):
        old.unlink()
    session.run("python", "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), ".")
    [wheel] = folder.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    templates = Path("hookkey_verify/emulator/console/templates").glob("*")
    for needed in ("hookkey_verify/py.typed", *map(str, templates)):
        if needed not in names:
            session.error(f"{wheel.name} lacks {needed}")
    if any(name.startswith("tests") for name in names):
        session.error(f"{wheel.name} contains tests")
    session.log(f"{wheel.name}: {len(names)} files")


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benchmarks; arguments go to `python -m tests.bench`."""
    install(session, "-e", ".[bench]")
    session.run("python", "-m", "tests.bench", *session.posargs)


@nox.session
def instructions(session: nox.Session) -> None:
    """Count the instructions of a verification with valgrind; 3 % more than recorded fail."""
    install(session)
    session.run("python", "-m", "tests.bench.instructions", *session.posargs)


@nox.session
def clients(session: nox.Session) -> None:
    """Run Okta's SDKs and other OAuth clients; compare with docs/clients.md. Needs Node.js."""
    install(session)
    session.run(
        "python", "-m", "tests.clients.run", "--fast", "--cache", ".ci/clients", *session.posargs
    )


@nox.session(name="okta-sdk")
def okta_sdk(session: nox.Session) -> None:
    """Test the emulator with Okta's Python SDK, which has 128 MB of dependencies."""
    install(session)
    folder = Path(session.create_tmp()).resolve()
    session.run("python", "-m", "venv", str(folder))
    session.run(f"{folder}/bin/pip", "install", "-q", "okta>=3.4.6", external=True)
    session.run(
        "pytest", "tests/e2e/test_okta_sdk.py", env={"OKTA_SDK_PYTHON": f"{folder}/bin/python"}
    )


@nox.session
def peers(session: nox.Session) -> None:
    """Check that the benchmarks can still measure every library."""
    session.install("-e", ".[dev,bench]")
    session.run("pytest", "tests/test_bench.py", "-k", "everything", *EVERYTHING)


@nox.session
def nightly(session: nox.Session) -> None:
    """Run what is too slow for every change, such as the clients and ten thousand fuzzed inputs."""
    for name in ("lower-bounds", "clients", "fuzz", "okta-sdk", "peers", "instructions"):
        session.notify(name)
