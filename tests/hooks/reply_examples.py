"""Replies as data: valid ones with their builders, and faulty ones with what is wrong."""

from __future__ import annotations

from typing import Final, NamedTuple

from hookkey_verify.hooks.replies import (
    ImportReply,
    PasswordImportReply,
    RegistrationReply,
    Reply,
    SamlReply,
    TelephonyReply,
    TokenReply,
)

from .reply_parts import (
    ACCESS_ONLY,
    BASIC,
    ID_ONLY,
    IMPORT_REQUEST,
    PASSWORD_REQUEST,
    PROGRESSIVE,
    SAML_REQUEST,
    SELF_SERVICE,
    TELEPHONY_REQUEST,
    TOKEN_REQUEST,
    Json,
    add,
    commands,
    patch,
    replace,
    statement,
)


class Valid(NamedTuple):
    """A valid reply: the builder must produce the document."""

    built: Reply
    document: Json
    request: Json


_DENIED: Final[Json] = {
    "commands": [{"type": "com.okta.action.update", "value": {"registration": "DENY"}}],
    "error": {
        "errorSummary": "Use your work address.",
        "errorCauses": [
            {
                "errorSummary": "Use your work address.",
                "reason": "EMAIL_DOMAIN",
                "locationType": "body",
                "location": "data.userProfile.email",
                "domain": "end-user",
            }
        ],
    },
}

VALID: Final[dict[str, Valid]] = {
    "token: claim and lifetime": Valid(
        TokenReply().access_claim("https://acme.example/tenant", "t-17").access_lifetime(900),
        commands(
            (
                "access.patch",
                [
                    add("/claims/https:~1~1acme.example~1tenant", "t-17"),
                    replace("/token/lifetime/expiration", 900),
                ],
            )
        ),
        TOKEN_REQUEST,
    ),
    "token: tilde in a name": Valid(
        TokenReply().id_claim("a~1/b", 1),
        patch("identity", "add", "/claims/a~01~1b", 1),
        TOKEN_REQUEST,
    ),
    "token: replace and remove": Valid(
        TokenReply().access_claim("team", "blue", replace=True).remove_access_claim("team"),
        commands(
            (
                "access.patch",
                [replace("/claims/team", "blue"), {"op": "remove", "path": "/claims/team"}],
            )
        ),
        TOKEN_REQUEST,
    ),
    "token: both tokens": Valid(
        TokenReply().id_claim("team", "blue").access_claim("sub", "x").id_lifetime(300),
        commands(
            (
                "identity.patch",
                [add("/claims/team", "blue"), replace("/token/lifetime/expiration", 300)],
            ),
            ("access.patch", [add("/claims/sub", "x")]),
        ),
        TOKEN_REQUEST,
    ),
    "token: members and elements": Valid(
        TokenReply()
        .access_claim(("address", "zip"), "89073")
        .id_claim(["tags", "-"], "c")
        .id_claim(("tags", 0), "z")
        .remove_id_claim(("tags", 3)),
        commands(
            ("access.patch", [add("/claims/address/zip", "89073")]),
            (
                "identity.patch",
                [
                    add("/claims/tags/-", "c"),
                    add("/claims/tags/0", "z"),
                    {"op": "remove", "path": "/claims/tags/3"},
                ],
            ),
        ),
        TOKEN_REQUEST,
    ),
    "token: object, then a member of it": Valid(
        TokenReply().access_claim("new", {"a": [[1]]}).access_claim(("new", "b"), [1, "x"]),
        commands(
            ("access.patch", [add("/claims/new", {"a": [[1]]}), add("/claims/new/b", [1, "x"])])
        ),
        TOKEN_REQUEST,
    ),
    "token: longest lifetime": Valid(
        TokenReply().access_lifetime(86400),
        patch("access", "replace", "/token/lifetime/expiration", 86400),
        ACCESS_ONLY,
    ),
    "token: remove from the ID token": Valid(
        TokenReply().remove_id_claim("email"),
        patch("identity", "remove", "/claims/email"),
        ID_ONLY,
    ),
    "token: no change": Valid(TokenReply(), {}, TOKEN_REQUEST),
    "token: debug": Valid(
        TokenReply().debug(trace="a").debug(n=1),
        {"debugContext": {"trace": "a", "n": 1}},
        TOKEN_REQUEST,
    ),
    "token: error": Valid(
        TokenReply().error("Unknown customer.", ["No such id.", {"reason": "ID", "domain": "x"}]),
        {
            "error": {
                "errorSummary": "Unknown customer.",
                "errorCauses": [{"errorSummary": "No such id."}, {"reason": "ID", "domain": "x"}],
            }
        },
        TOKEN_REQUEST,
    ),
    "SAML: new attribute": Valid(
        SamlReply().attribute("groups", ["a", "b"]),
        patch("assertion", "add", "/claims/groups", statement("a", "b")),
        SAML_REQUEST,
    ),
    "SAML: URI name and integer": Valid(
        SamlReply().attribute("urn:x/y", "4321", name_format="basic", value_type="xs:integer"),
        patch(
            "assertion",
            "add",
            "/claims/urn:x~1y",
            statement("4321", name_format=BASIC, kind="xs:integer"),
        ),
        SAML_REQUEST,
    ),
    "SAML: every part": Valid(
        SamlReply()
        .replace_attribute_value("team", "dev")
        .name_id("lea")
        .name_id_format("urn:f")
        .recipient("https://sp.example/other")
        .authn_context("urn:c")
        .session_index("s2")
        .audience("urn:a", "urn:b")
        .session_lifetime(600),
        commands(
            (
                "assertion.patch",
                [
                    replace("/claims/team/attributeValues/0/value", "dev"),
                    replace("/subject/nameId", "lea"),
                    replace("/subject/nameFormat", "urn:f"),
                    replace("/subject/confirmation/data/recipient", "https://sp.example/other"),
                    replace("/authentication/authnContext/authnContextClassRef", "urn:c"),
                    replace("/authentication/sessionIndex", "s2"),
                    replace("/conditions/audienceRestriction", ["urn:a", "urn:b"]),
                    add("/authentication/sessionLifetime", 600),
                ],
            )
        ),
        SAML_REQUEST,
    ),
    "SAML: error": Valid(
        SamlReply().error("Not now."), {"error": {"errorSummary": "Not now."}}, SAML_REQUEST
    ),
    "registration: allow": Valid(
        RegistrationReply().deny("No.").allow(),
        commands(("action.update", {"registration": "ALLOW"})),
        SELF_SERVICE,
    ),
    "registration: deny": Valid(
        RegistrationReply().deny("Use your work address.", field="email", reason="EMAIL_DOMAIN"),
        _DENIED,
        SELF_SERVICE,
    ),
    "registration: deny without details": Valid(
        RegistrationReply().allow().deny("No."),
        {**commands(("action.update", {"registration": "DENY"})), "error": {"errorSummary": "No."}},
        SELF_SERVICE,
    ),
    "registration: deny with a reason": Valid(
        RegistrationReply().deny("No.", reason="R"),
        {
            **commands(("action.update", {"registration": "DENY"})),
            "error": {
                "errorSummary": "No.",
                "errorCauses": [{"errorSummary": "No.", "reason": "R", "domain": "end-user"}],
            },
        },
        SELF_SERVICE,
    ),
    "registration: deny a progressive profile": Valid(
        RegistrationReply().deny("No.", field="data.userProfileUpdate.number"),
        {
            **commands(("action.update", {"registration": "DENY"})),
            "error": {
                "errorSummary": "No.",
                "errorCauses": [
                    {
                        "errorSummary": "No.",
                        "locationType": "body",
                        "location": "data.userProfileUpdate.number",
                        "domain": "end-user",
                    }
                ],
            },
        },
        PROGRESSIVE,
    ),
    "registration: profile": Valid(
        RegistrationReply().profile(city="Ulm").profile(number=12345).profile().allow(),
        commands(
            ("action.update", {"registration": "ALLOW"}),
            ("user.profile.update", {"city": "Ulm", "number": 12345}),
        ),
        SELF_SERVICE,
    ),
    "registration: progressive profile": Valid(
        RegistrationReply().progressive_profile(city="Ulm", self="x"),
        commands(("user.progressive.profile.update", {"city": "Ulm", "self": "x"})),
        PROGRESSIVE,
    ),
    "import: create": Valid(
        ImportReply().link_to("00u7").create_user(),
        commands(("action.update", {"result": "CREATE_USER"})),
        IMPORT_REQUEST,
    ),
    "import: link": Valid(
        ImportReply().user_profile(city="Ulm").app_user_profile(team="ops").link_to("00u7"),
        commands(
            ("action.update", {"result": "LINK_USER"}),
            ("user.update", {"id": "00u7"}),
            ("appUser.profile.update", {"team": "ops"}),
            ("user.profile.update", {"city": "Ulm"}),
        ),
        IMPORT_REQUEST,
    ),
    "import: default": Valid(ImportReply(), {}, IMPORT_REQUEST),
    "password: verified": Valid(
        PasswordImportReply().unverified().verified(),
        commands(("action.update", {"credential": "VERIFIED"})),
        PASSWORD_REQUEST,
    ),
    "password: unverified": Valid(
        PasswordImportReply().unverified(),
        commands(("action.update", {"credential": "UNVERIFIED"})),
        PASSWORD_REQUEST,
    ),
    "telephony: sent": Valid(
        TelephonyReply().failed().sent(provider="ACME", transaction_id="tx-1"),
        commands(
            (
                "telephony.action",
                [{"status": "SUCCESSFUL", "provider": "ACME", "transactionId": "tx-1"}],
            )
        ),
        TELEPHONY_REQUEST,
    ),
    "telephony: pending": Valid(
        TelephonyReply().pending(transaction_metadata={"a": 1}),
        commands(("telephony.action", [{"status": "PENDING", "transactionMetadata": '{"a": 1}'}])),
        TELEPHONY_REQUEST,
    ),
    "telephony: failed": Valid(
        TelephonyReply().failed(transaction_metadata="x"),
        commands(("telephony.action", [{"status": "FAILED", "transactionMetadata": "x"}])),
        TELEPHONY_REQUEST,
    ),
    "telephony: error": Valid(
        TelephonyReply().error("Not delivered."),
        {"error": {"errorSummary": "Not delivered."}},
        TELEPHONY_REQUEST,
    ),
}
