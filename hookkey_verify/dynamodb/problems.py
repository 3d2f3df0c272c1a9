"""What the errors of boto3 mean for a claim."""

from __future__ import annotations

from botocore import exceptions as of_boto

from ..errors import ConfigurationError
from ..replay.remote import Problem, unreachable

__all__ = ["code_of", "explain"]

_CREDENTIALS = (
    "AWS rejects the credentials: correct or renew them, and set this machine's clock (NTP)"
)
_MISCONFIGURED = {
    "ResourceNotFoundException": (
        "the table does not exist in this region and account: create it with create_table(), or "
        "correct table or region_name"
    ),
    "ValidationException": "the table has another key: see create_table() and check()",
    "AccessDeniedException": (
        "the credentials lack a permission: allow dynamodb:PutItem and dynamodb:DeleteItem on the "
        "table"
    ),
    "ExpiredToken": _CREDENTIALS,
    "ExpiredTokenException": _CREDENTIALS,
    "IncompleteSignatureException": _CREDENTIALS,
    "InvalidClientTokenId": _CREDENTIALS,
    "InvalidSignatureException": _CREDENTIALS,
    "MissingAuthenticationTokenException": _CREDENTIALS,
    "SignatureDoesNotMatch": _CREDENTIALS,
    "UnrecognizedClientException": _CREDENTIALS,
    "KMSAccessDeniedException": "the credentials may not use the KMS key of the table",
}
_THROTTLED = "DynamoDB throttles: use on-demand capacity, or raise the table's capacity or limits"
_UNAVAILABLE = {
    "ProvisionedThroughputExceededException": _THROTTLED,
    "RequestLimitExceeded": _THROTTLED,
    "ThrottlingException": _THROTTLED,
}
_NOT_REACHED = (
    of_boto.EndpointConnectionError,
    of_boto.ConnectionError,
    of_boto.HTTPClientError,
    OSError,
)
_NO_CREDENTIALS = (
    of_boto.NoCredentialsError,
    of_boto.PartialCredentialsError,
    of_boto.CredentialRetrievalError,
    of_boto.ProfileNotFound,
    of_boto.TokenRetrievalError,
    of_boto.SSOError,
)
_NO_REGION = (of_boto.NoRegionError, of_boto.InvalidRegionError)


def code_of(error: of_boto.ClientError) -> str:
    """Return the code of an error that DynamoDB answered with."""
    return str(error.response.get("Error", {}).get("Code", ""))


def explain(error: BaseException) -> Problem:
    """Return the problem behind an error of boto3. Nothing of the error's text is repeated."""
    name = type(error).__name__
    if isinstance(error, ConfigurationError):
        return Problem("misconfigured", name, error.detail)
    if isinstance(error, of_boto.ClientError):
        return _by_code(code_of(error))
    if isinstance(error, _NO_CREDENTIALS):
        return Problem("misconfigured", name, "boto3 finds no valid credentials: configure them")
    if isinstance(error, _NO_REGION):
        return Problem("misconfigured", name, "boto3 finds no valid region: pass region_name")
    if isinstance(error, of_boto.SSLError):
        text = "the certificate of the endpoint is not trusted: correct endpoint_url or verify"
        return Problem("misconfigured", name, text)
    if isinstance(error, _NOT_REACHED):
        return unreachable(error)
    return Problem("unavailable", name, f"the replay store answers with an error ({name})")


def _by_code(code: str) -> Problem:
    if code in _MISCONFIGURED:
        return Problem("misconfigured", code, _MISCONFIGURED[code])
    if code in _UNAVAILABLE:
        return Problem("unavailable", code, _UNAVAILABLE[code])
    # The code is not repeated, because a proxy may choose it.
    return Problem("unavailable", "ClientError", "the replay store answers with an error")
