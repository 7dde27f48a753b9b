"""PartiQL statements to DynamoDB, sent as boto3 sends them but without its detours.

A request through boto3's client costs three times the processor time of this one: it checks and serialises each
attribute, which here is JSON already, and asks a dozen event handlers. Endpoint, region and time limits are those of
a client of boto3's, the credentials those of its default session; the signature, the connections and the errors are
parts of botocore. Not supported are what is only decided request by request (account-id endpoints) and what only a
session of one's own or boto3's configuration file says (other credentials, client certificates, ``ca_bundle``).
"""

import base64
import json
import os
import socket
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

NEWER_IS_THERE = "NewerIsThere"  # not DynamoDB's word: the condition was refused by an item, which was shown

# DynamoDB's answer to a statement: None when it is done, otherwise the error code.
Code = str | None


class Statement(NamedTuple):
    """A PartiQL statement; ``parameters`` are in DynamoDB's JSON.

    ``shows`` asks for the item that refuses it, which takes no read unit; source: API reference,
    ``BatchStatementRequest``.
    """

    text: str
    parameters: Sequence[str]
    shows: bool = False


class Connection(Protocol):
    """A way to DynamoDB."""

    def send(self, statements: Sequence[Statement]) -> Sequence[Code]:
        """DynamoDB's answers to at most 25 statements, in their order. Raises what boto3 raises."""


def connection(client: "DynamoDBClient") -> Connection:
    """The connection of a client of boto3; a stand-in for one gets the statements in the form that boto3 takes."""
    return _Signed(client) if isinstance(client, BaseClient) else _Passed(client)


class _Signed:
    def __init__(self, client: BaseClient) -> None:
        config: Any = client.meta.config
        options: Any = {
            "timeout": (config.connect_timeout, config.read_timeout),
            "max_pool_connections": config.max_pool_connections,
            # The head and the body of a request are sent one after the other.
            "socket_options": [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            "proxies": config.proxies or get_environ_proxies(client.meta.endpoint_url),
            "verify": os.environ.get("AWS_CA_BUNDLE") or os.environ.get("REQUESTS_CA_BUNDLE") or True,
        }
        self._events = client.meta.events
        self._url = urljoin(client.meta.endpoint_url, urlsplit(client.meta.endpoint_url).path or "/")
        self._region = client.meta.region_name
        self._found = (boto3.DEFAULT_SESSION or boto3.Session()).get_credentials()
        self._http = URLLib3Session(**options)

    def send(self, statements: Sequence[Statement]) -> Sequence[Code]:
        request = self._signed(_json(statements))
        # Who listens to the client may answer in DynamoDB's place, as moto does.
        listeners = self._events.emit(f"before-send.dynamodb.{_OPERATION}", request=request)
        response = first_non_none_response(listeners) or self._http.send(request)
        answer = _read(response.content)
        if response.status_code != 200:
            raise _error(response.status_code, answer)
        return _codes(answer)

    def _signed(self, body: bytes) -> AWSPreparedRequest:
        request = AWSRequest("POST", self._url, headers=_HEADERS, data=body)
        SigV4Auth(self._credentials(), "dynamodb", self._region).add_auth(request)
        return request.prepare()

    def _credentials(self) -> ReadOnlyCredentials:
        if self._found is None:
            raise NoCredentialsError
        return self._found.get_frozen_credentials()  # renewed when they are about to expire


class _Passed:
    def __init__(self, client: "DynamoDBClient") -> None:
        self._client = client

    def send(self, statements: Sequence[Statement]) -> Sequence[Code]:
        request = [json.loads(_one(each), object_hook=_binary) for each in statements]
        answer: Any = self._client.batch_execute_statement(Statements=request)
        return _codes(answer)


def _read(content: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(content, object_hook=_only_ours)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


_OURS = frozenset({"Responses", "Error", "Code", "TableName", "__type"})


def _only_ours(value: dict[str, Any]) -> Any:
    # An item that is shown can be of 400 KB, and of a hundred more are under way: that it is there is enough.
    return value if not value or not _OURS.isdisjoint(value) else True


def _codes(answer: dict[str, Any]) -> list[Code]:
    responses = answer.get("Responses")
    if not isinstance(responses, list):
        raise ResponseParserError("no answers to the statements")
    return [_code(each) for each in responses]


def _code(response: Any) -> Code:
    if not isinstance(response, dict):
        raise ResponseParserError("an answer that is none")
    error = response.get("Error")
    if not error:
        return None
    is_shown = error["Code"] == "ConditionalCheckFailed" and error.get("Item")
    return NEWER_IS_THERE if is_shown else str(error["Code"])


def _error(status: int, answer: dict[str, Any]) -> ClientError:
    code = str(answer.get("__type", status)).rpartition("#")[2]
    response: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, _OPERATION)


_quoted = cache(json_string)  # the texts are few: one for each table and set of attributes


def _json(statements: Sequence[Statement]) -> bytes:
    return f'{{"Statements":[{",".join(map(_one, statements))}]}}'.encode()


def _one(statement: Statement) -> str:
    shows = ',"ReturnValuesOnConditionCheckFailure":"ALL_OLD"' if statement.shows else ""
    return f'{{"Statement":{_quoted(statement.text)},"Parameters":[{",".join(statement.parameters)}]{shows}}}'


def _binary(value: dict[str, Any]) -> dict[str, Any]:
    is_binary = value.keys() == {"B"} and isinstance(value["B"], str)
    return {"B": base64.b64decode(value["B"])} if is_binary else value
