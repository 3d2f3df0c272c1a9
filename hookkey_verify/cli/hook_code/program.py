"""Writes the program for a hook from its parts. Pure."""

from __future__ import annotations

from .frameworks import FRAMEWORKS, Framework
from .handlers import HANDLERS
from .plan import Plan, Setup
from .text import assignment, imports, in_docstring, list_assignment, paragraph
from .verifiers import PLACE, VerifierSource, verifier_source

__all__ = ["program"]


def program(plan: Plan, framework: str) -> str:
    """Return the source of a program that protects and answers a hook.

    ``plan``: what the program needs to know.
    ``framework``: one of ``FRAMEWORKS``.
    """
    frame, handler = FRAMEWORKS[framework], HANDLERS[plan.type]
    verifier = verifier_source(plan, on_lambda=framework == "lambda")
    both = plan.setup is Setup.TOKEN_ENDPOINT
    names = [
        *handler.names(),
        *verifier.names,
        *frame.names,
        *(frame.names_of_both if both else ()),
    ]
    return "\n".join(
        [
            _docstring(plan, frame, verifier),
            "",
            imports(names),
            "",
            *_constants(plan, frame),
            "",
            verifier.text,
            "",
            "",
            handler.source(is_async=frame.is_async),
            "",
            "",
            frame.both if both else frame.alone,
            "",
        ]
    )


def _docstring(plan: Plan, frame: Framework, verifier: VerifierSource) -> str:
    packages = frame.packages
    if verifier.extra:
        packages = packages.replace("hookkey_verify", f"'hookkey_verify[{verifier.extra}]'")
    environment = ["", "Environment variables:", "", *verifier.environment]
    return "\n".join(
        [
            f'"""Answer Okta\'s {HANDLERS[plan.type].title} "{in_docstring(plan.name)}".',
            "",
            paragraph(verifier.about),
            *(environment if verifier.environment else ()),
            "",
            "Save this file as hook.py. To start it:",
            "",
            *filter(None, [f"pip install {packages}", verifier.command, frame.start]),
            '"""',
        ]
    )


def _constants(plan: Plan, frame: Framework) -> list[str]:
    """Return the statements with the values of the org."""
    lines: list[str] = []
    both = plan.setup is Setup.TOKEN_ENDPOINT
    if plan.setup is Setup.SECRET:
        lines.append(assignment("HEADER", plan.header))
    if plan.setup in (Setup.TOKEN_ENDPOINT, Setup.ASSERTION) and plan.has_key:
        lines.append(assignment("TOKEN_URL", plan.token_url))
    if plan.setup is not Setup.SECRET:
        lines.append(assignment("CLIENT_ID", plan.client_id))
    if plan.setup in (Setup.ACCESS_TOKEN, Setup.TOKEN_ENDPOINT):
        lines += _issuer_and_audience(plan)
    if plan.setup is not Setup.ASSERTION and plan.scopes:
        lines.append(list_assignment("SCOPES", plan.scopes))
    if both or frame.routes:
        lines.append(assignment("HOOK_PATH", frame.slash + plan.hook_path[1:]))
    if both:
        lines.append(assignment("TOKEN_PATH", frame.slash + plan.token_path[1:]))
    return lines


def _issuer_and_audience(plan: Plan) -> list[str]:
    """Return both constants, with a comment above each placeholder."""
    lines = []
    if not plan.issuer:
        lines.append("# Placeholder: the iss of the tokens that the token URL issues.")
    lines.append(assignment("ISSUER", plan.issuer))
    if not plan.audiences:
        lines.append(
            f"# Placeholder: see {PLACE} in the Admin Console."
            if plan.is_okta
            else "# Placeholder: the aud of the tokens that the token URL issues."
        )
    if len(plan.audiences) > 1:
        lines.append(list_assignment("AUDIENCE", plan.audiences))
    else:
        lines.append(assignment("AUDIENCE", "".join(plan.audiences)))
    return lines
