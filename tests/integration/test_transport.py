"""The transport over real connections: responses, errors, timeouts, proxies and certificates."""

import base64
import datetime
import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from moto import mock_aws

from handlers.storage.attribute_value import serialize
from handlers.storage.transport import Statement, Transport, _parse_response, transport_for
from tests.support.engines import Tables, as_boto3, client_of
from tests.support.statements import HOSTILE, UPDATE, boto3_statement, insert

# With engines


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_value_is_stored_as_boto3_stores_it(tables: Tables, value: object) -> None:
    """Whatever the value, the engine returns the same item as when boto3 writes it."""
    client = client_of(tables)
    assert transport_for(client).send([insert(value)]) == [None]
    (item,) = tables.items("modules")
    tables.empty()
    boto3_item = as_boto3({"context": serialize("c"), "entity": serialize("e"), "body": serialize(value)})
    client.put_item(TableName="modules", Item=boto3_item)
    assert [item] == tables.items("modules") == [boto3_item]


def test_error_codes_are_in_statement_order(tables: Tables) -> None:
    """Each of 25 statements has its own error code at its own position."""
    transport = transport_for(client_of(tables))
    transport.send([insert("old", f"e#{n}") for n in range(0, 25, 3)])
    codes = transport.send([insert("new", f"e#{n}") for n in range(25)])
    assert codes == [None if n % 3 else "DuplicateItem" for n in range(25)]


def test_request_that_an_engine_rejects_raises_client_error(tables: Tables) -> None:
    """When an engine rejects a whole request, the transport raises what boto3 raises: same code, same status."""
    client = client_of(tables)
    too_many = [insert("x", f"e#{n}") for n in range(26)]
    with pytest.raises(ClientError) as expected:
        client.batch_execute_statement(Statements=[boto3_statement(statement) for statement in too_many])
    with pytest.raises(ClientError) as actual:
        transport_for(client).send(too_many)
    assert code_and_status(actual.value) == code_and_status(expected.value) == ("ValidationException", 400)


def code_and_status(error: ClientError) -> tuple[str, int]:
    """Return what distinguishes one client error from another."""
    return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]


# With an endpoint that records


class Endpoint:
    """An HTTP endpoint that records the requests that it receives, and responds as configured."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.respond: Callable[[BaseHTTPRequestHandler], None] = respond_with(200, ok(1))
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                endpoint.received.append(Received(self.command, self.path, dict(self.headers.items()), body))
                endpoint.respond(self)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> "Endpoint":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class Received:
    """A request as it arrived; the names of ``headers`` are in lower case."""

    def __init__(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
        self.method = method
        self.path = path
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.body = body


def ok(statements: int) -> bytes:
    """Return the response when every statement succeeded."""
    return json.dumps({"Responses": [{"TableName": "modules"}] * statements}).encode()


def respond_with(status: int, body: bytes, length: int | None = None) -> Callable[[BaseHTTPRequestHandler], None]:
    """Respond with a status and a body, and a Content-Length that may be too large."""

    def respond(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Type", "application/x-amz-json-1.0")
        request.send_header("Content-Length", str(len(body) if length is None else length))
        request.end_headers()
        request.wfile.write(body)
        request.close_connection = length is not None

    return respond


def close_after(data: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    """Send some bytes and close the connection."""

    def respond(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(data)
        request.connection.shutdown(socket.SHUT_RDWR)
        request.close_connection = True

    return respond


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """An endpoint on a free port, for which one statement succeeds."""
    with Endpoint() as running:
        yield running


@pytest.fixture
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment with a region, and without credentials or proxies."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it caches what it found
    return monkeypatch


def transport_to(url: str, **options: Any) -> Transport:
    """Return a transport to an endpoint, created as the functions create it."""
    return transport_for(boto3.client("dynamodb", endpoint_url=url, config=Config(**options)))


@pytest.mark.parametrize("token", [None, "a/session+token=="])
def test_signature_is_valid(endpoint: Endpoint, no_environment: pytest.MonkeyPatch, token: str | None) -> None:
    """The signature is what botocore computes from the request that arrived, and covers the session token too."""
    no_environment.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    no_environment.setenv("AWS_SECRET_ACCESS_KEY", "a+secret/key")
    if token:
        no_environment.setenv("AWS_SESSION_TOKEN", token)
    transport_to(endpoint.url).send([insert("Grüße '\"\\ \U0001f600")])
    (received,) = endpoint.received
    credential, signed, signature = received.headers["authorization"].split(", ")
    names = signed.removeprefix("SignedHeaders=").split(";")
    stamp = received.headers["x-amz-date"]
    assert credential == f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{stamp[:8]}/eu-west-1/dynamodb/aws4_request"
    assert {"host", "content-type", "x-amz-date", "x-amz-target"} <= set(names)
    assert ("x-amz-security-token" in names) == (token is not None)
    assert received.headers.get("x-amz-security-token") == token
    seconds = datetime.datetime.strptime(f"{stamp}+0000", "%Y%m%dT%H%M%SZ%z").timestamp()
    assert abs(seconds - time.time()) < 60

    headers = {name: received.headers[name] for name in names}
    request = AWSRequest("POST", f"http://{received.headers['host']}{received.path}", headers, received.body)
    request.context["timestamp"] = stamp
    signer = SigV4Auth(Credentials("AKIDEXAMPLE", "a+secret/key", token), "dynamodb", "eu-west-1")
    to_sign = signer.string_to_sign(request, signer.canonical_request(request))
    assert signature == f"Signature={signer.signature(to_sign, request)}"


def test_expiring_credentials_are_renewed(endpoint: Endpoint, no_environment: pytest.MonkeyPatch) -> None:
    """A process that outlives its credentials signs with the new ones."""
    no_environment.setenv("AWS_ACCESS_KEY_ID", "AKIDOLD")
    no_environment.setenv("AWS_SECRET_ACCESS_KEY", "old")
    expiry = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=30)  # soon enough to be renewed
    no_environment.setenv("AWS_CREDENTIAL_EXPIRATION", expiry.isoformat())
    transport = transport_to(endpoint.url)
    transport.send([insert("x")])
    no_environment.setenv("AWS_ACCESS_KEY_ID", "AKIDNEW")
    no_environment.setenv("AWS_CREDENTIAL_EXPIRATION", (expiry + datetime.timedelta(hours=1)).isoformat())
    transport.send([insert("x")])
    keys = [request.headers["authorization"].split("Credential=")[1].split("/")[0] for request in endpoint.received]
    assert keys == ["AKIDOLD", "AKIDNEW"]


@pytest.mark.usefixtures("no_environment")
def test_missing_credentials_raise_an_error_before_anything_is_sent(endpoint: Endpoint) -> None:
    """Without credentials the transport raises what boto3 raises, and sends nothing."""
    with pytest.raises(NoCredentialsError):
        transport_to(endpoint.url).send([insert("x")])
    assert endpoint.received == []


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, b'{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException"}', "ThrottlingException"),
        (400, b'{"__type":"com.amazon.coral.validate#ValidationException"}', "ValidationException"),
        (400, b'{"__type":"AccessDeniedException","message":"you may not"}', "AccessDeniedException"),
        (500, b'{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError"}', "InternalServerError"),
        (503, b"<html>Service Unavailable</html>", "503"),
        (500, b"", "500"),
        (413, b"", "413"),
        (400, b"[]", "400"),
    ],
)  # fmt: skip
def test_failed_request_raises_client_error(endpoint: Endpoint, status: int, body: bytes, code: str) -> None:
    """Code and status are those that boto3 raises; the status is also the code of a response without one."""
    endpoint.respond = respond_with(status, body)
    client = boto3.client("dynamodb", endpoint_url=endpoint.url, config=Config(retries={"total_max_attempts": 1}))
    with pytest.raises(ClientError) as caught:
        transport_for(client).send([insert("a secret")])
    assert code_and_status(caught.value) == (code, status)
    assert "secret" not in str(caught.value)
    if body.startswith(b"{"):
        with pytest.raises(ClientError) as expected:
            client.batch_execute_statement(Statements=[boto3_statement(insert("x"))])
        assert code_and_status(expected.value) == code_and_status(caught.value)


@pytest.mark.parametrize(
    "respond",
    [
        respond_with(200, b""),
        respond_with(200, b"<html>hello</html>"),
        respond_with(200, ok(1)[:-3]),
        respond_with(200, b"\xff\xfe"),
        respond_with(200, b"[]"),
        respond_with(200, b"null"),
        respond_with(200, b"{}"),
        respond_with(200, b'{"Responses": null}'),
        respond_with(200, b'{"Responses": {}}'),
        respond_with(200, ok(1), len(ok(1)) + 9),  # the connection closes in the middle of the body
        close_after(b""),
        close_after(b"SSH-2.0-OpenSSH_9.6\r\n"),
        close_after(b"HTTP/1.1 200 OK\r\nContent-Len"),
    ],
    ids=["empty", "html", "truncated", "not UTF-8", "a list", "null", "no responses", "null responses",
         "a map of responses", "body too short", "closed", "not HTTP", "headers cut off"],
)  # fmt: skip
def test_unreadable_response_raises_an_error_of_botocore(
    endpoint: Endpoint, respond: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    """A response that cannot be read leaves open what was executed, and the next request is not affected by it."""
    endpoint.respond = respond
    transport = transport_to(endpoint.url)
    with pytest.raises((ResponseParserError, BotoCoreError)):
        transport.send([insert("x")])
    assert len(endpoint.received) == 1
    endpoint.respond = respond_with(200, ok(1))
    assert transport.send([insert("x")]) == [None]


def test_refused_connection_raises_endpoint_connection_error() -> None:
    """A refused connection raises what boto3 raises."""
    with Endpoint() as closed:
        url = closed.url
    with pytest.raises(EndpointConnectionError):
        transport_to(url).send([insert("x")])


def test_connection_is_reused_until_the_endpoint_closes_it(endpoint: Endpoint) -> None:
    """Consecutive requests share a connection; when DynamoDB has closed it in between, a new one is opened."""
    peers = []

    def respond(request: BaseHTTPRequestHandler) -> None:
        peers.append(request.client_address)
        respond_with(200, ok(1))(request)
        request.close_connection = len(peers) == 3  # without announcing it

    endpoint.respond = respond
    transport = transport_to(endpoint.url)
    for _ in range(5):
        transport.send([insert("x")])
        time.sleep(0.05)  # until this side has noticed
    assert len(set(peers[:3])) == len(set(peers[3:])) == 1
    assert len(set(peers)) == 2


def test_each_thread_has_a_connection_of_its_own(endpoint: Endpoint) -> None:
    """A thread does not use the connection of another one, whose request may have been given up."""
    peers = []

    def respond(request: BaseHTTPRequestHandler) -> None:
        peers.append(request.client_address)
        respond_with(200, ok(1))(request)

    endpoint.respond = respond
    transport = transport_to(endpoint.url)
    for _ in range(2):
        transport.send([insert("x")])
        thread = threading.Thread(target=transport.send, args=[[insert("x")]])
        thread.start()
        thread.join()
    assert peers[0] == peers[2]
    assert len(set(peers)) == 3


# The settings of the client


def test_client_read_timeout_applies(endpoint: Endpoint) -> None:
    """A request without a response ends after the read timeout of the client, and is not repeated."""
    released = threading.Event()

    def never(_: BaseHTTPRequestHandler) -> None:
        released.wait(20)

    endpoint.respond = never
    transport = transport_to(endpoint.url, read_timeout=0.2)
    start = time.monotonic()
    try:
        with pytest.raises(ReadTimeoutError):
            transport.send([insert("x")])
    finally:
        released.set()
    assert 0.2 <= time.monotonic() - start < 5
    assert len(endpoint.received) == 1  # retries are for the writer to decide


def test_client_connect_timeout_applies() -> None:
    """A connection that the host does not accept ends after the connect timeout of the client."""
    with ExitStack() as sockets:
        full = sockets.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):  # fill the backlog
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        transport = transport_to(f"http://127.0.0.1:{full.getsockname()[1]}", connect_timeout=0.2)
        start = time.monotonic()
        with pytest.raises(ConnectTimeoutError):
            transport.send([insert("x")])
        assert 0.2 <= time.monotonic() - start < 5


@pytest.mark.parametrize("source", ["client", "HTTP_PROXY", "http_proxy"])
def test_requests_go_through_a_proxy(endpoint: Endpoint, no_environment: pytest.MonkeyPatch, source: str) -> None:
    """Requests go through the proxy that the client or the environment names."""
    no_environment.setenv("AWS_ACCESS_KEY_ID", "test")
    no_environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
    options: dict[str, Any] = {"proxies": {"http": endpoint.url}} if source == "client" else {}
    if source != "client":
        no_environment.setenv(source, endpoint.url)
    transport_to("http://dynamodb.example:8000", **options).send([insert("x")])
    (received,) = endpoint.received
    assert received.path == "http://dynamodb.example:8000/"
    assert received.headers["host"] == "dynamodb.example:8000"


def test_excluded_host_is_connected_directly(endpoint: Endpoint, no_environment: pytest.MonkeyPatch) -> None:
    """Requests to a host in NO_PROXY do not go through the proxy."""
    no_environment.setenv("AWS_ACCESS_KEY_ID", "test")
    no_environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
    no_environment.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    no_environment.setenv("NO_PROXY", "127.0.0.1")
    transport_to(endpoint.url).send([insert("x")])
    assert [received.path for received in endpoint.received] == ["/"]


def make_certificate(folder: Path) -> Path:
    """Create a self-signed certificate for the loopback address, in one file with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    encodings = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path = folder / "certificate.pem"
    path.write_bytes(key.private_bytes(*encodings) + certificate.public_bytes(serialization.Encoding.PEM))
    return path


def test_certificate_is_verified_against_the_bundle_of_the_environment(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A self-signed certificate is rejected, and accepted if AWS_CA_BUNDLE contains it."""
    certificate = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    endpoint.server.socket = context.wrap_socket(endpoint.server.socket, server_side=True)
    endpoint.server.handle_error = lambda *_: None  # type: ignore[method-assign]  # the failed handshake
    url = f"https://127.0.0.1:{endpoint.port}"
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    with pytest.raises(SSLError):
        transport_to(url).send([insert("x")])
    assert endpoint.received == []
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    transport_to(url).send([insert("x")])
    assert len(endpoint.received) == 1


# Test doubles in place of a client


class Double:
    """A test double for a client."""

    def __init__(self, response: Any) -> None:
        self.response = response
        self.statements: list[Any] = []

    def batch_execute_statement(self, Statements: list[Any]) -> Any:  # noqa: N803  # boto3's name
        """Record the statements."""
        self.statements = Statements
        return self.response


@pytest.mark.parametrize("return_old_item", [True, False])
@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_test_double_receives_boto3_style_parameters(value: object, return_old_item: bool) -> None:
    """A test double is called with statements in the form in which boto3 takes them."""
    double: Any = Double({"Responses": [{}]})
    statement = Statement(UPDATE, (serialize(value), serialize("c")), return_old_item)
    assert transport_for(double).send([statement]) == [None]
    assert double.statements == [boto3_statement(statement)]


@pytest.mark.parametrize("response", [{}, {"Responses": None}])
def test_malformed_response_of_a_test_double_raises_an_error(response: Any) -> None:
    """A response without a list of responses raises the same error as one of DynamoDB."""
    double: Any = Double(response)
    with pytest.raises(ResponseParserError):
        transport_for(double).send([insert("x")])


def test_as_boto3_decodes_bytes_only() -> None:
    """The helper with which these tests compare decodes binary values, and nothing that only looks like one."""
    assert as_boto3({"a": serialize(b"\0"), "b": serialize({"B": "AA=="})}) == {
        "a": {"B": base64.b64decode("AA==")},
        "b": {"M": {"B": {"S": "AA=="}}},
    }


def test_moto_receives_the_requests() -> None:
    """Under moto no request reaches DynamoDB."""
    with mock_aws():
        (code,) = transport_for(boto3.client("dynamodb")).send(
            [Statement('UPDATE "nowhere" SET "a" = ? WHERE "k" = ?', ['{"S":"1"}', '{"S":"2"}'])]
        )
    assert code == "ResourceNotFound"


def test_returned_old_item_is_not_kept_in_memory() -> None:
    """Only the presence of an old item in a response is kept, however large the item is."""
    item = {"context": {"S": "c"}, "body": {"M": {"flags": {"L": [{"BOOL": True}] * 1_000}}}}
    response = {"Error": {"Code": "ConditionalCheckFailed", "Message": "no", "Item": item}, "TableName": "modules"}
    parsed = _parse_response(json.dumps({"Responses": [response, {}]}).encode())
    assert parsed == {"Responses": [{**response, "Error": {**response["Error"], "Item": True}}, {}]}  # type: ignore[dict-item]
