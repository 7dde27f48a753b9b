"""Send PartiQL statements to DynamoDB as boto3 would, at a fraction of its CPU time (docs/speed.md).

boto3 validates and serializes every attribute, which here is DynamoDB JSON already, and calls a dozen event handlers
for each request. This transport asks a boto3 client once for its endpoint, signing region, timeouts and proxies, and
then builds each request itself; signing, connections and exceptions are botocore's own.
``tests/test_transport_contract.py`` compares its requests with boto3's: URL, signed headers and body are the same in
every partition, with FIPS, dual-stack, account-based and custom endpoints.

Deviations from boto3, all deliberate:

- The endpoint is resolved once, not for each request. It depends on nothing that changes while a process runs.
- ``User-Agent`` is constant; ``amz-sdk-invocation-id``, ``amz-sdk-request`` and ``X-Amzn-Trace-Id`` are not sent. None
  of the four is signed.
- The body is JSON without spaces.
- Nothing is retried here: the writer decides what to send again. The checksum ``x-amz-crc32`` of a response is not
  verified: TLS protects the response, and a damaged one does not parse.
- Credentials come from boto3's default session, and the CA bundle from ``AWS_CA_BUNDLE`` or ``REQUESTS_CA_BUNDLE``.
  Credentials of another session, and ``ca_bundle`` or client certificates from a configuration file, are ignored.
"""

import base64
import json
import os
import socket
import threading
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import urljoin, urlsplit

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest
from botocore.client import BaseClient
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ClientError, NoCredentialsError
from botocore.hooks import first_non_none_response
from botocore.httpsession import URLLib3Session
from botocore.parsers import ResponseParserError
from botocore.utils import get_environ_proxies

from handlers.storage.attribute_value import json_string

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_OPERATION = "BatchExecuteStatement"
_HEADERS = {
    "Content-Type": "application/x-amz-json-1.0",
    "User-Agent": "canvas-live-events",
    "X-Amz-Target": f"DynamoDB_20120810.{_OPERATION}",
}

# Not one of DynamoDB's codes: a condition failed, and the response contained the item that it failed on.
NEWER_VERSION_EXISTS = "NewerVersionExists"

# DynamoDB's response to one statement: None for success, otherwise an error code of the API reference's
# ``BatchStatementError``, or NEWER_VERSION_EXISTS.
ErrorCode = str | None


class Statement(NamedTuple):
    """A PartiQL statement with one parameter, in DynamoDB JSON (``{"S":"text"}``), for each ``?`` of its text.

    ``return_old_item`` asks for the item on which the statement's condition failed; this consumes no read capacity.
    Source: Amazon DynamoDB API Reference, ``BatchStatementRequest``.
    """

    partiql: str
    parameters: Sequence[str]
    return_old_item: bool = False


class Transport(Protocol):
    """A way to execute statements."""

    def send(self, statements: Sequence[Statement]) -> Sequence[ErrorCode]:
        """Execute at most 25 statements in one request and return one error code, or None, for each, in their order.

        Raises ``ClientError`` when DynamoDB rejects the whole request, ``BotoCoreError`` or ``ResponseParserError``
        when there is no response that can be read; the statements may have been executed then. Thread-safe.
        """


def transport_for(client: "DynamoDBClient") -> Transport:
    """Return the transport for a boto3 client; anything else is a test double, and receives boto3-style parameters.

    Raises ``EndpointResolutionError`` when the client's settings contradict each other, as when account-based endpoints
    are required and the account is unknown. boto3 raises it with the first request.
    """
    return _DirectTransport(client) if isinstance(client, BaseClient) else _ClientTransport(client)


class _DirectTransport:
    def __init__(self, client: BaseClient) -> None:
        endpoint, self._region = _resolve_endpoint(client)
        config: Any = client.meta.config
        self._session_options: Any = {
            "timeout": (config.connect_timeout, config.read_timeout),
            "max_pool_connections": 1,
            # Headers and body are sent one after the other, and must not wait for each other.
            "socket_options": [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            "proxies": config.proxies or get_environ_proxies(endpoint),
            "verify": os.environ.get("AWS_CA_BUNDLE") or os.environ.get("REQUESTS_CA_BUNDLE") or True,
        }
        self._url = urljoin(endpoint, urlsplit(endpoint).path or "/")
        self._events = client.meta.events
        self._credentials = (boto3.DEFAULT_SESSION or boto3.Session()).get_credentials()
        # Each thread has a connection of its own, so that nothing uses the one of a request that was given up.
        self._local = threading.local()

    def send(self, statements: Sequence[Statement]) -> Sequence[ErrorCode]:
        request = self._sign(_request_body(statements))
        # A listener of the client, such as moto, may respond in DynamoDB's place.
        responses = self._events.emit(f"before-send.dynamodb.{_OPERATION}", request=request)
        response = first_non_none_response(responses) or self._session().send(request)
        content = _parse_response(response.content)
        if response.status_code != 200:
            raise _client_error(response.status_code, content)
        return _error_codes(content)

    def _session(self) -> URLLib3Session:
        if not hasattr(self._local, "session"):
            self._local.session = URLLib3Session(**self._session_options)
        session: URLLib3Session = self._local.session
        return session

    def _sign(self, body: bytes) -> AWSPreparedRequest:
        request = AWSRequest("POST", self._url, headers=_HEADERS, data=body)
        SigV4Auth(self._current_credentials(), "dynamodb", self._region).add_auth(request)
        return request.prepare()

    def _current_credentials(self) -> ReadOnlyCredentials:
        if self._credentials is None:
            raise NoCredentialsError
        return self._credentials.get_frozen_credentials()  # renewed when they are about to expire


class _ClientTransport:
    def __init__(self, client: "DynamoDBClient") -> None:
        self._client = client

    def send(self, statements: Sequence[Statement]) -> Sequence[ErrorCode]:
        request = [json.loads(_statement_json(statement), object_hook=_decode_binary) for statement in statements]
        response: Any = self._client.batch_execute_statement(Statements=request)
        return _error_codes(response)


def _resolve_endpoint(client: BaseClient) -> tuple[str, str]:
    """Return the URL to which the client would send this operation, and the region for which it would sign it.

    ``client.meta.endpoint_url`` is a different URL for FIPS in GovCloud, for account-based endpoints and for dual-stack
    in isolated regions: boto3 evaluates the service's endpoint rules for each request. botocore has no public method
    for that.
    """
    context: dict[str, Any] = {}
    operation = client.meta.service_model.operation_model(_OPERATION)
    url, *_ = client._resolve_endpoint_ruleset(operation, {}, context)  # type: ignore[attr-defined]
    return url, context.get("signing", {}).get("region", client.meta.region_name)


def _parse_response(content: bytes) -> dict[str, Any]:
    try:
        response = json.loads(content, object_hook=_drop_items)
    except (ValueError, RecursionError):
        return {}
    return response if isinstance(response, dict) else {}


_RESPONSE_MEMBERS = frozenset({"Responses", "Error", "Code", "TableName", "__type"})


def _drop_items(value: dict[str, Any]) -> Any:
    # A returned item can have 400 KB, and 100 statements are in flight. Only whether there is one matters.
    return value if not value or not _RESPONSE_MEMBERS.isdisjoint(value) else True


def _error_codes(response: dict[str, Any]) -> list[ErrorCode]:
    responses = response.get("Responses")
    if not isinstance(responses, list):
        raise ResponseParserError("the response contains no list of responses to the statements")
    return [_error_code(statement_response) for statement_response in responses]


def _error_code(response: Any) -> ErrorCode:
    if not isinstance(response, dict):
        raise ResponseParserError("malformed response to a statement")
    error = response.get("Error")
    if not error:
        return None
    returned_old_item = error["Code"] == "ConditionalCheckFailed" and error.get("Item")
    return NEWER_VERSION_EXISTS if returned_old_item else str(error["Code"])


def _client_error(status: int, response: dict[str, Any]) -> ClientError:
    code = str(response.get("__type", status)).rpartition("#")[2]
    parsed: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(parsed, _OPERATION)


_cached_json_string = cache(json_string)  # of the few PartiQL texts: one for each table and set of attributes


def _request_body(statements: Sequence[Statement]) -> bytes:
    return f'{{"Statements":[{",".join(map(_statement_json, statements))}]}}'.encode()


def _statement_json(statement: Statement) -> str:
    text, parameters = _cached_json_string(statement.partiql), ",".join(statement.parameters)
    old_item = ',"ReturnValuesOnConditionCheckFailure":"ALL_OLD"' if statement.return_old_item else ""
    return f'{{"Statement":{text},"Parameters":[{parameters}]{old_item}}}'


def _decode_binary(value: dict[str, Any]) -> dict[str, Any]:
    is_binary = value.keys() == {"B"} and isinstance(value["B"], str)
    return {"B": base64.b64decode(value["B"])} if is_binary else value
