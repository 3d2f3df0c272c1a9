"""The tests on every supported Python that is installed, and the clients of others."""

import nox

nox.options.default_venv_backend = "venv"
nox.options.sessions = ["tests"]
nox.options.error_on_missing_interpreters = False


@nox.session(python=["3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """Run the tests."""
    session.install("-e", ".[dev]")
    session.run("pytest", *session.posargs)


@nox.session
def clients(session: nox.Session) -> None:
    """Try Okta's SDKs and other OAuth programs; compare with docs/clients.md. Needs Node.js."""
    session.install("-e", ".[dev]")
    session.run("python", "-m", "tests.clients.run", *session.posargs)
