"""AWS errors as sentences: what is wrong and what to do."""

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
        case BotoCoreError():
            return f"could not reach AWS: {error}"
    return None


def _describe_response(error: ClientError) -> str:
    code = error.response.get("Error", {}).get("Code", "")
    if code in _DENIED:
        return (
            f"your AWS identity may not call {error.operation_name}. Ask the administrator of the AWS account for that"
            " permission, or choose another profile with --profile."
        )
    message = " ".join(error.response.get("Error", {}).get("Message", "").split())  # a proxy may send a whole page
    return _BY_CODE.get(code) or f"AWS rejected {error.operation_name}: {code} {message[:MAX_MESSAGE_LENGTH]}".rstrip()
