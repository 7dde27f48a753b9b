"""What goes wrong for a person, said in a sentence with what to do."""

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  # botocore's: no answer from the endpoint
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)


class CommandError(Exception):
    """A command cannot do what it was asked to; the text says what is wrong, where, and what to do."""


_LOG_IN = "Log in (`aws sso login`, `aws configure`), or name a profile with --profile."

_BY_CODE = {
    **dict.fromkeys(
        ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"),
        f"your AWS credentials have expired. {_LOG_IN}",
    ),
    **dict.fromkeys(
        ("InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidAccessKeyId"),
        f"AWS does not know your credentials. {_LOG_IN}",
    ),
    **dict.fromkeys(
        ("Throttling", "ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"),
        "AWS throttles these requests. Try again in a minute; what was done stays done.",
    ),
}
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"})


def sentence(error: BotoCoreError | ClientError) -> str:
    """An error of AWS, or on the way there, as a sentence: what is wrong and what to do."""
    if isinstance(error, ClientError):
        return _refusal(error)
    match error:
        case ProfileNotFound():
            return f"{error}. `aws configure list-profiles` lists those that there are."
        case NoRegionError():
            return "no AWS region is set. Name one with --region, or set AWS_REGION."
        case TokenRetrievalError() | SSOError() | CredentialRetrievalError():
            return f"your AWS credentials cannot be read or have expired. {_LOG_IN}"
        case NoCredentialsError() | PartialCredentialsError():
            return f"there are no AWS credentials. {_LOG_IN} For the stack on this machine say --local."
        case ConnectionError() | HTTPClientError():
            return f"AWS does not answer: {error}"
    return f"AWS cannot be asked: {error}"


def _refusal(error: ClientError) -> str:
    code = error.response.get("Error", {}).get("Code", "")
    if code in _DENIED:
        return (
            f"your AWS identity may not call {error.operation_name}. Ask who looks after the AWS account for that"
            " permission, or name another profile with --profile."
        )
    message = error.response.get("Error", {}).get("Message", "")
    return _BY_CODE.get(code) or f"AWS refused {error.operation_name}: {code} {message}".rstrip()
