"""The contract of the transport: it sends the request that boto3 would send for the same statements.

Both requests are intercepted where botocore would hand them to the network, under the same clock. boto3 puts spaces
into its JSON; where signatures are compared they are removed before it signs.
"""

import datetime
import json
from collections.abc import Sequence
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import EndpointResolutionError
from hypothesis import given
from hypothesis import strategies as st

from handlers.storage.attribute_value import UnsupportedValue, serialize
from handlers.storage.transport import Statement, transport_for
from tests.support.hypothesis_profiles import examples
from tests.support.statements import HOSTILE, UPDATE, boto3_statement, http_response, insert

STATEMENTS = [insert("Grüße"), Statement(UPDATE, [serialize(text) for text in "bcev"], return_old_item=True)]

ACCOUNT = {"AWS_ACCOUNT_ID": "123456789012"}
FIPS = {"AWS_USE_FIPS_ENDPOINT": "true"}
DUAL_STACK = {"AWS_USE_DUALSTACK_ENDPOINT": "true"}
# Region, environment, and what the URL must contain for the settings to have had an effect.
CONFIGURATIONS = {
    "default": ("eu-west-1", {}, "//dynamodb.eu-west-1.amazonaws.com/"),
    "session token": ("eu-west-1", {"AWS_SESSION_TOKEN": "a/session+token=="}, "//dynamodb.eu-west-1."),
    "FIPS": ("us-east-1", FIPS, "//dynamodb-fips.us-east-1."),
    "dual-stack": ("eu-west-1", DUAL_STACK, "//dynamodb.eu-west-1.api.aws/"),
    "FIPS and dual-stack": ("us-east-1", FIPS | DUAL_STACK, "//dynamodb-fips.us-east-1.api.aws/"),
    "GovCloud": ("us-gov-west-1", {}, "//dynamodb.us-gov-west-1."),
    "GovCloud with FIPS": ("us-gov-west-1", FIPS, "//dynamodb.us-gov-west-1."),
    "GovCloud East with FIPS": ("us-gov-east-1", FIPS, "//dynamodb.us-gov-east-1."),
    "GovCloud with dual-stack": ("us-gov-west-1", DUAL_STACK, ".us-gov-west-1.api.aws/"),
    "GovCloud with FIPS and dual-stack": ("us-gov-west-1", FIPS | DUAL_STACK, ".us-gov-west-1.api.aws/"),
    "China": ("cn-north-1", {}, "//dynamodb.cn-north-1.amazonaws.com.cn/"),
    "China with dual-stack": ("cn-north-1", DUAL_STACK, ".cn-north-1."),
    "isolated region with dual-stack": ("us-iso-east-1", DUAL_STACK, ".us-iso-east-1."),
    "account-based endpoint": ("eu-west-1", ACCOUNT, "//123456789012.ddb.eu-west-1."),
    "account-based endpoints disabled": (
        "eu-west-1",
        ACCOUNT | {"AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled"},
        "//dynamodb.eu-west-1.",
    ),
    "account-based endpoint with FIPS": ("us-east-1", ACCOUNT | FIPS, "//dynamodb-fips.us-east-1."),
    "account-based endpoint in China": ("cn-north-1", ACCOUNT, ".cn-north-1."),
    "custom endpoint": ("eu-west-1", {"AWS_ENDPOINT_URL_DYNAMODB": "http://db.example:8000"}, "//db.example:8000/"),
    "custom endpoint with a slash": ("eu-west-1", {"AWS_ENDPOINT_URL": "https://db.example/"}, "//db.example/"),
    "custom endpoint with a path": ("eu-west-1", {"AWS_ENDPOINT_URL": "https://db.example/a/b"}, "//db.example/a/b"),
    "custom endpoint and account": (
        "eu-west-1",
        ACCOUNT | {"AWS_ENDPOINT_URL_DYNAMODB": "http://db.example:8000"},
        "//db.example:8000/",
    ),
    "custom endpoint with FIPS": ("us-east-1", FIPS | {"AWS_ENDPOINT_URL": "https://db.example"}, "//db.example/"),
    "region local": ("local", {}, "//localhost:8000/"),
}


class InterceptedClient:
    """A boto3 client that records its requests instead of sending them; every statement succeeds."""

    def __init__(self) -> None:
        self.client: Any = boto3.client("dynamodb")
        self.requests: list[AWSPreparedRequest] = []
        self.client.meta.events.register("before-send.dynamodb", self._respond)

    def remove_spaces(self) -> None:
        """Make boto3 sign and send JSON without spaces."""
        self.client.meta.events.register("before-call.dynamodb", _remove_spaces)

    def both(self, statements: Sequence[Statement]) -> tuple[AWSPreparedRequest, AWSPreparedRequest]:
        """Return boto3's request for the statements, and the transport's."""
        self.requests.clear()
        self.client.batch_execute_statement(Statements=[boto3_statement(statement) for statement in statements])
        assert list(transport_for(self.client).send(statements)) == [None] * len(statements)
        boto3_request, request = self.requests
        return boto3_request, request

    def _respond(self, request: AWSPreparedRequest, **_: Any) -> Any:
        self.requests.append(request)
        responses: list[Any] = [{} for _ in json.loads(body_of(request))["Statements"]]
        return http_response(request, 200, json.dumps({"Responses": responses}).encode())


def _remove_spaces(params: dict[str, Any], **_: Any) -> None:
    params["body"] = without_spaces(params["body"])


def without_spaces(body: bytes) -> bytes:
    """Return the same JSON in the same order without spaces."""
    return json.dumps(json.loads(body), separators=(",", ":")).encode()


def body_of(request: AWSPreparedRequest) -> bytes:
    """Return the body of a request."""
    body: Any = request.body
    return body.encode() if isinstance(body, str) else bytes(body)


def headers_of(request: AWSPreparedRequest) -> dict[str, str]:
    """Return the headers of a request as text, under names in lower case."""
    headers = dict(request.headers.items())
    return {name.lower(): value.decode() if isinstance(value, bytes) else str(value) for name, value in headers.items()}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with credentials, a frozen clock and no session that has read an earlier environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a+secret/key")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    now = datetime.datetime(2026, 9, 7, 12, tzinfo=datetime.UTC)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_, **__: now)
    return monkeypatch


def configure(environment: pytest.MonkeyPatch, region: str, variables: dict[str, str]) -> None:
    """Set the region and other environment variables."""
    for name, value in {"AWS_DEFAULT_REGION": region, **variables}.items():
        environment.setenv(name, value)


@pytest.mark.parametrize(("region", "variables", "url"), CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_request_is_signed_and_addressed_as_by_boto3(
    environment: pytest.MonkeyPatch, region: str, variables: dict[str, str], url: str
) -> None:
    """In every configuration method, URL, signed headers, signature and body are those of boto3, byte for byte."""
    configure(environment, region, variables)
    intercepted = InterceptedClient()
    intercepted.remove_spaces()
    boto3_request, request = intercepted.both(STATEMENTS)
    assert url in request.url
    assert (request.method, request.url) == (boto3_request.method, boto3_request.url)
    assert body_of(request) == body_of(boto3_request)
    headers, boto3_headers = headers_of(request), headers_of(boto3_request)
    assert headers["authorization"] == boto3_headers["authorization"]
    signed = headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    assert {"content-type", "host", "x-amz-date", "x-amz-target"} <= set(signed)
    assert ("x-amz-security-token" in signed) == ("AWS_SESSION_TOKEN" in variables)


def test_unsigned_headers_differ_only_as_documented(environment: pytest.MonkeyPatch) -> None:
    """The transport omits three headers that boto3 sends in Lambda, has its own User-Agent, and adds none."""
    environment.setenv("AWS_LAMBDA_FUNCTION_NAME", "function")
    environment.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793")
    intercepted = InterceptedClient()
    intercepted.remove_spaces()
    boto3_headers, headers = map(headers_of, intercepted.both(STATEMENTS))
    assert headers.keys() <= boto3_headers.keys()
    assert boto3_headers.keys() - headers.keys() == {"amz-sdk-invocation-id", "amz-sdk-request", "x-amzn-trace-id"}
    assert {name for name, value in headers.items() if boto3_headers[name] != value} == {"user-agent"}


@pytest.mark.parametrize(
    ("region", "variables"),
    [("eu-west-1", {"AWS_ACCOUNT_ID_ENDPOINT_MODE": "required"}), ("local", FIPS), ("local", DUAL_STACK)],
    ids=["account required but unknown", "local with FIPS", "local with dual-stack"],
)
def test_contradictory_configuration_raises_the_error_of_boto3(
    environment: pytest.MonkeyPatch, region: str, variables: dict[str, str]
) -> None:
    """Where boto3 finds no endpoint for its first request, creating the transport raises the same error."""
    configure(environment, region, variables)
    intercepted = InterceptedClient()
    with pytest.raises(EndpointResolutionError) as expected:
        intercepted.client.batch_execute_statement(Statements=[boto3_statement(STATEMENTS[0])])
    with pytest.raises(EndpointResolutionError) as actual:
        transport_for(intercepted.client)
    assert str(actual.value) == str(expected.value)


def test_endpoint_is_resolved_once(environment: pytest.MonkeyPatch) -> None:
    """However many requests are sent, the rule set of the endpoint is evaluated when the transport is created."""
    configure(environment, "us-gov-west-1", FIPS)
    intercepted = InterceptedClient()
    operations: list[str] = []
    intercepted.client.meta.events.register(
        "before-endpoint-resolution.dynamodb", lambda model, **_: operations.append(model.name)
    )
    transport = transport_for(intercepted.client)
    for _ in range(3):
        transport.send(STATEMENTS)
    assert operations == ["BatchExecuteStatement"]


@cache
def shared_client() -> InterceptedClient:
    """Return a client for tests of bodies, since it takes long to create one."""
    return InterceptedClient()


@pytest.mark.parametrize("return_old_item", [True, False])
@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_body_of_a_difficult_value_is_that_of_boto3(value: object, return_old_item: bool) -> None:
    """Values that are easily garbled are sent in the same bytes as by boto3, apart from spaces."""
    statement = Statement(UPDATE, (serialize(value), serialize("e")), return_old_item)
    boto3_request, request = shared_client().both([statement])
    assert body_of(request) == without_spaces(body_of(boto3_request))


def values() -> st.SearchStrategy[object]:
    """Values that an item may have."""
    numbers = st.one_of(st.integers(), st.decimals(allow_nan=False, allow_infinity=False))
    texts = st.text(st.characters(exclude_categories=["Cs"]))
    scalars = st.one_of(st.none(), st.booleans(), numbers, texts, st.binary())
    return st.recursive(scalars, lambda inner: st.one_of(st.lists(inner), st.dictionaries(texts, inner)), max_leaves=8)


@examples(100)
@given(items=st.lists(values(), min_size=1, max_size=4), return_old_item=st.booleans())
def test_body_of_any_statements_is_that_of_boto3(items: list[object], return_old_item: bool) -> None:
    """Whatever the statements, the body is boto3's, byte for byte apart from spaces."""
    try:
        statements = [Statement(UPDATE, (serialize(value), serialize("e")), return_old_item) for value in items]
    except UnsupportedValue:
        return
    boto3_request, request = shared_client().both(statements)
    assert body_of(request) == without_spaces(body_of(boto3_request))
