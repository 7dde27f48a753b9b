"""AWS errors as sentences: what is wrong and what to do."""

import json
import traceback
from typing import Any

from botocore import parsers
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  # botocore's: no response from the endpoint
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

MALFORMED_RESPONSE = (
    "AWS returned a malformed response. A proxy or a login page of your network may have answered instead."
)
MAX_MESSAGE_LENGTH = 300  # of an error that AWS returned

_LOG_IN = "Log in (`aws sso login`, `aws configure`), or choose a profile with --profile."

_BY_CODE = {
    **dict.fromkeys(
        ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"),
        f"your AWS credentials have expired. {_LOG_IN}",
    ),
    **dict.fromkeys(
        ("InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidAccessKeyId"),
        f"AWS does not accept your credentials. {_LOG_IN}",
    ),
    **dict.fromkeys(
        ("Throttling", "ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"),
        "AWS is throttling these requests. Try again in a minute; completed work is kept.",
    ),
}
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"})


class MalformedResponseError(BotoCoreError):
    """A response is not in the format of its service."""

    fmt = MALFORMED_RESPONSE


def reject_malformed_response(operation_model: Any, response_dict: Any, **_: object) -> None:
    """Raise ``MalformedResponseError`` for a success without a result; a handler of botocore's event ``before-parse``.

    botocore takes JSON that it cannot parse, and any XML, for a result without members.
    """
    shape = operation_model.output_shape
    has_result = shape is not None and shape.members and not operation_model.has_streaming_output
    if response_dict["status_code"] >= 300 or not has_result:
        return
    body = response_dict["body"]
    match operation_model.service_model.resolved_protocol:
        case "json" | "rest-json":
            is_malformed = not _is_json_object(body)
        case "query":
            is_malformed = f"<{operation_model.name}Response".encode() not in body
        case "rest-xml":
            tags = (f"<{member.serialization.get('name', name)}" for name, member in shape.members.items())
            # Without a body the result is in the headers.
            is_malformed = bool(body) and not any(tag.encode() in body for tag in tags)
        case _:  # botocore fails by itself
            is_malformed = False
    if is_malformed:
        raise MalformedResponseError


def _is_json_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False


def describe(error: Exception) -> str | None:
    """One sentence about an error that AWS returned or boto3 raised on the way there; None for any other error."""
    match error:
        case ClientError():
            return _describe_response(error)
        case ProfileNotFound():
            return f"{error}. `aws configure list-profiles` lists your profiles."
        case NoRegionError():
            return "no AWS region is set. Pass --region, or set AWS_REGION."
        case TokenRetrievalError() | SSOError() | CredentialRetrievalError():
            return f"your AWS credentials cannot be read or have expired. {_LOG_IN}"
        case NoCredentialsError() | PartialCredentialsError():
            return f"there are no AWS credentials. {_LOG_IN} For the stack on this machine pass --local."
        case ConnectionError() | HTTPClientError():
            return f"AWS does not respond: {error}"
        case MalformedResponseError():
            return str(error)
        case BotoCoreError():
            return f"could not reach AWS: {error}"
    return MALFORMED_RESPONSE if _is_raised_by_parser(error) else None


def _is_raised_by_parser(error: Exception) -> bool:
    """Whether botocore could not parse a response, for which it does not always have an error of its own."""
    frames = traceback.extract_tb(error.__traceback__)
    return isinstance(error, parsers.ResponseParserError) or any(f.filename == parsers.__file__ for f in frames)


def _describe_response(error: ClientError) -> str:
    code = error.response.get("Error", {}).get("Code", "")
    if code in _DENIED:
        return (
            f"your AWS identity may not call {error.operation_name}. Ask the administrator of the AWS account for that"
            " permission, or choose another profile with --profile."
        )
    message = " ".join(error.response.get("Error", {}).get("Message", "").split())  # a proxy may send a whole page
    return _BY_CODE.get(code) or f"AWS rejected {error.operation_name}: {code} {message[:MAX_MESSAGE_LENGTH]}".rstrip()
