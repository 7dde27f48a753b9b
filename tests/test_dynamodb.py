"""The connection to DynamoDB: it sends what boto3 would send, and fails as boto3 fails."""

import base64
import datetime
import gzip
import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from decimal import Decimal
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
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from handlers.storage.attribute_value import UnsupportedValue, serialize
from handlers.storage.transport import Connection, Statement, _read, connection
from tests.conftest import Tables, as_boto3, client_of
from tests.hypothesis_profiles import examples

INSERT = """INSERT INTO "modules" VALUE {'context': ?, 'entity': ?, 'body': ?}"""
UPDATE = """UPDATE "modules" SET "body" = ? WHERE "context" = ? AND "entity" = ? AND "version" < ?"""

HOSTILE: dict[str, object] = {
    "empty": "",
    "quotes": "'\"`\\'\\\"",
    "backslashes": "\\ \\\\ \\n \\u0041 \\ud800",
    "control characters": "".join(map(chr, range(32))) + "\x7f\x80\x9f",
    "line ends": "\r\n\n\r\u2028\u2029\x85",
    "unicode": "Grüße, 你好, עברית, e\u0301, \ufeff, \ufffe, \uffff, \ue000",
    "emoji": "\U0001f600 \U0001f469\u200d\U0001f52c \U0010ffff",
    "PartiQL": "'; DELETE FROM \"modules\" WHERE \"context\" = 'c' --",
    "placeholders": "? ?? {0} %s ${x}",
    "markup": "<script>&amp;</script>",
    "looks like DynamoDB": '{"S": "x"}',
    "numbers": [0, -1, 1, 10**37, -(10**37), Decimal("0.1"), Decimal("-33.333333333333336"), Decimal("100.00")],
    "largest numbers": [Decimal("9." + "9" * 37 + "E+125"), Decimal("-9." + "9" * 37 + "E+125")],
    "smallest numbers": [Decimal("1E-130"), Decimal("-1E-130"), Decimal("0E-500")],
    "true is not 1": [True, 1, "1", False, 0, "0", None, "null", [], {}],
    "names": {name: name for name in ["S", "B", "a.b", "a b", "?", "'", '"', "\\", "\n", "ü", "\U0001f600"]},
    "a map that looks like bytes": {"B": "bm8=", "b": {"B": {"B": "AA=="}}},
    "nested": {"a": [{"b": [{"c": [[[]], {}, [{}]]}]}]},
    "bytes": gzip.compress(bytes(range(256)) * 9, mtime=0),
    "no bytes": b"",
    "all bytes": bytes(range(256)),
}  # fmt: skip


def insert(value: object, entity: str = "e") -> Statement:
    """The statement that writes a value."""
    return Statement(INSERT, (serialize("c"), serialize(entity), serialize(value)))


def as_boto3_takes_it(statement: Statement) -> dict[str, Any]:
    """A statement as one would give it to boto3."""
    parameters = [as_boto3({"": each})[""] for each in statement.parameters]
    shows = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"} if statement.shows else {}
    return {"Statement": statement.text, "Parameters": parameters, **shows}


# On the engines


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_a_value_is_written_as_boto3_writes_it(tables: Tables, value: object) -> None:
    """Whatever a value is, the item that the engine gives back is the one that boto3 itself would have put there."""
    client = client_of(tables)
    assert connection(client).send([insert(value)]) == [None]
    (written,) = tables.items("modules")
    tables.empty()
    boto3_item = as_boto3({"context": serialize("c"), "entity": serialize("e"), "body": serialize(value)})
    client.put_item(TableName="modules", Item=boto3_item)
    assert [written] == tables.items("modules") == [boto3_item]


def test_answers_come_in_the_order_of_the_statements(tables: Tables) -> None:
    """Each of 25 statements has the answer at its own place, whatever became of its neighbours."""
    sender = connection(client_of(tables))
    sender.send([insert("old", f"e#{n}") for n in range(0, 25, 3)])
    codes = sender.send([insert("new", f"e#{n}") for n in range(25)])
    assert codes == [None if n % 3 else "DuplicateItem" for n in range(25)]


def test_an_engines_refusal_of_a_whole_request_is_a_client_error(tables: Tables) -> None:
    """What boto3 raises for a request that the engine does not take, the connection raises too: code and status."""
    client = client_of(tables)
    too_many = [insert("x", f"e#{n}") for n in range(26)]
    with pytest.raises(ClientError) as theirs:
        client.batch_execute_statement(Statements=[as_boto3_takes_it(each) for each in too_many])
    with pytest.raises(ClientError) as ours:
        connection(client).send(too_many)
    assert code_and_status(ours.value) == code_and_status(theirs.value) == ("ValidationException", 400)


def code_and_status(error: ClientError) -> tuple[str, int]:
    """What tells a client error from another."""
    return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]


# Over a wire that is watched


class Endpoint:
    """An endpoint that keeps what it receives and answers as it is told."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answer: Callable[[BaseHTTPRequestHandler], None] = answer_with(200, ok(1))
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                endpoint.received.append(Received(self.command, self.path, dict(self.headers.items()), body))
                endpoint.answer(self)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

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
    """A request as it came over the wire; the names of ``headers`` are in lower case."""

    def __init__(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
        self.method = method
        self.path = path
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.body = body


def ok(statements: int) -> bytes:
    """The answer when every statement succeeded."""
    return json.dumps({"Responses": [{"TableName": "modules"}] * statements}).encode()


def answer_with(status: int, body: bytes, length: int | None = None) -> Callable[[BaseHTTPRequestHandler], None]:
    """Answer with a status and a body, which may say of itself that it is longer."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Type", "application/x-amz-json-1.0")
        request.send_header("Content-Length", str(len(body) if length is None else length))
        request.end_headers()
        request.wfile.write(body)
        request.close_connection = length is not None

    return answer


def break_off_after(data: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    """Send some bytes and close the connection."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(data)
        request.connection.shutdown(socket.SHUT_RDWR)
        request.close_connection = True

    return answer


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """An endpoint on a free port, that answers one statement."""
    with Endpoint() as running:
        yield running


@pytest.fixture
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment with a region and without credentials, wherever boto3 looks for them."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it remembers what it found
    return monkeypatch


def connected(url: str, **options: Any) -> Connection:
    """A connection as the functions make it, to an endpoint."""
    return connection(boto3.client("dynamodb", endpoint_url=url, config=Config(**options)))


def value_strategy() -> st.SearchStrategy[object]:
    """Values that an item may have."""
    numbers = st.one_of(st.integers(), st.decimals(allow_nan=False, allow_infinity=False))
    texts = st.text(st.characters(exclude_categories=["Cs"]))
    scalars = st.one_of(st.none(), st.booleans(), numbers, texts, st.binary())
    return st.recursive(scalars, lambda inner: st.one_of(st.lists(inner), st.dictionaries(texts, inner)), max_leaves=8)


@examples(100)
@given(values=st.lists(value_strategy(), min_size=1, max_size=4), shows=st.booleans())
def test_what_is_sent_is_what_boto3_sends(endpoint: Endpoint, values: list[object], shows: bool) -> None:
    """Method, path, headers and the meaning of the body are boto3's, whatever the statements are."""
    try:
        statements = [Statement(UPDATE, (serialize(value), serialize("e")), shows) for value in values]
    except UnsupportedValue:
        return
    endpoint.received.clear()
    endpoint.answer = answer_with(200, ok(len(statements)))
    client = boto3.client("dynamodb", endpoint_url=endpoint.url)
    client.batch_execute_statement(Statements=[as_boto3_takes_it(each) for each in statements])  # type: ignore[misc]
    connection(client).send(statements)
    theirs, ours = endpoint.received
    assert (ours.method, ours.path) == (theirs.method, theirs.path) == ("POST", "/")
    for name in ("host", "content-type", "x-amz-target"):
        assert ours.headers[name] == theirs.headers[name]
    assert json.loads(ours.body) == json.loads(theirs.body)


@pytest.mark.parametrize("slash", ["", "/"])
def test_an_endpoint_may_end_with_a_slash(endpoint: Endpoint, slash: str) -> None:
    """Requests go to the same path as boto3's, however the endpoint's address is written."""
    client = boto3.client("dynamodb", endpoint_url=endpoint.url + slash)
    client.batch_execute_statement(Statements=[as_boto3_takes_it(insert("x"))])  # type: ignore[list-item]
    connection(client).send([insert("x")])
    theirs, ours = endpoint.received
    assert ours.path == theirs.path


@pytest.mark.parametrize("token", [None, "a/session+token=="])
def test_the_signature_is_right(endpoint: Endpoint, no_environment: pytest.MonkeyPatch, token: str | None) -> None:
    """The signature is the one that botocore makes of what arrived, over every header that matters, the token's too."""
    no_environment.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    no_environment.setenv("AWS_SECRET_ACCESS_KEY", "a+secret/key")
    if token:
        no_environment.setenv("AWS_SESSION_TOKEN", token)
    connected(endpoint.url).send([insert("Grüße '\"\\ \U0001f600")])
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


def test_credentials_are_asked_for_at_each_request(endpoint: Endpoint, no_environment: pytest.MonkeyPatch) -> None:
    """A function that lives longer than its credentials signs with the new ones."""
    no_environment.setenv("AWS_ACCESS_KEY_ID", "AKIDOLD")
    no_environment.setenv("AWS_SECRET_ACCESS_KEY", "old")
    expiry = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=30)  # so soon that they are renewed
    no_environment.setenv("AWS_CREDENTIAL_EXPIRATION", expiry.isoformat())
    sender = connected(endpoint.url)
    sender.send([insert("x")])
    no_environment.setenv("AWS_ACCESS_KEY_ID", "AKIDNEW")
    no_environment.setenv("AWS_CREDENTIAL_EXPIRATION", (expiry + datetime.timedelta(hours=1)).isoformat())
    sender.send([insert("x")])
    keys = [request.headers["authorization"].split("Credential=")[1].split("/")[0] for request in endpoint.received]
    assert keys == ["AKIDOLD", "AKIDNEW"]


@pytest.mark.usefixtures("no_environment")
def test_without_credentials_nothing_is_sent(endpoint: Endpoint) -> None:
    """As boto3 does, the connection says that it has no credentials; a writer takes it for an outage."""
    with pytest.raises(NoCredentialsError):
        connected(endpoint.url).send([insert("x")])
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
def test_an_error_of_a_whole_request_is_a_client_error(endpoint: Endpoint, status: int, body: bytes, code: str) -> None:
    """The error's code, and its status, are told as boto3 tells them, also where a proxy answers in HTML."""
    endpoint.answer = answer_with(status, body)
    client = boto3.client("dynamodb", endpoint_url=endpoint.url, config=Config(retries={"total_max_attempts": 1}))
    with pytest.raises(ClientError) as caught:
        connection(client).send([insert("a secret")])
    assert code_and_status(caught.value) == (code, status)
    assert "secret" not in str(caught.value)
    if body.startswith(b"{"):
        with pytest.raises(ClientError) as theirs:
            client.batch_execute_statement(Statements=[as_boto3_takes_it(insert("x"))])  # type: ignore[list-item]
        assert code_and_status(theirs.value) == code_and_status(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        answer_with(200, b""),
        answer_with(200, b"<html>hello</html>"),
        answer_with(200, ok(1)[:-3]),
        answer_with(200, b"\xff\xfe"),
        answer_with(200, b"[]"),
        answer_with(200, b"null"),
        answer_with(200, b"{}"),
        answer_with(200, b'{"Responses": null}'),
        answer_with(200, b'{"Responses": {}}'),
        answer_with(200, ok(1), len(ok(1)) + 9),  # the connection breaks off in the middle of the body
        break_off_after(b""),
        break_off_after(b"SSH-2.0-OpenSSH_9.6\r\n"),
        break_off_after(b"HTTP/1.1 200 OK\r\nContent-Len"),
    ],
    ids=["empty", "html", "truncated", "no UTF-8", "a list", "null", "no answers", "null answers", "a map of answers",
         "broken off", "closed", "no HTTP", "half a head"],
)  # fmt: skip
def test_an_answer_that_is_none_is_one_of_botocores_errors(
    endpoint: Endpoint, answer: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    """What cannot be read as answers to the statements may have been done or not: it is tried again, as no answer."""
    endpoint.answer = answer
    sender = connected(endpoint.url)
    with pytest.raises((ResponseParserError, BotoCoreError)):
        sender.send([insert("x")])
    assert len(endpoint.received) == 1
    # Nothing of it is left to the next request.
    endpoint.answer = answer_with(200, ok(1))
    assert sender.send([insert("x")]) == [None]


def test_where_nobody_listens_is_a_botocore_error() -> None:
    """A refused connection is told as boto3 tells it."""
    with Endpoint() as gone:
        url = gone.url
    with pytest.raises(EndpointConnectionError):
        connected(url).send([insert("x")])


def test_a_connection_is_used_again(endpoint: Endpoint) -> None:
    """Requests one after the other go over one connection, which DynamoDB may have closed in between."""
    peers = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        peers.append(request.client_address)
        answer_with(200, ok(1))(request)
        request.close_connection = len(peers) == 3  # without a word

    endpoint.answer = answer
    sender = connected(endpoint.url)
    for _ in range(5):
        sender.send([insert("x")])
        time.sleep(0.05)  # until the closing is known on this side
    assert len(set(peers[:3])) == len(set(peers[3:])) == 1
    assert len(set(peers)) == 2


# The client's settings


def test_the_read_time_limit_is_the_clients(endpoint: Endpoint) -> None:
    """An endpoint that does not answer is left after the client's own time limit."""
    over = threading.Event()

    def never(_: BaseHTTPRequestHandler) -> None:
        over.wait(20)

    endpoint.answer = never
    sender = connected(endpoint.url, read_timeout=0.2)
    start = time.monotonic()
    try:
        with pytest.raises(ReadTimeoutError):
            sender.send([insert("x")])
    finally:
        over.set()
    assert 0.2 <= time.monotonic() - start < 5
    assert len(endpoint.received) == 1  # and is not asked again: that is the writer's to decide


def test_the_connect_time_limit_is_the_clients() -> None:
    """A host that does not take the connection is left after the client's own time limit."""
    with ExitStack() as sockets:
        full = sockets.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):  # which nobody accepts, so that there is no room for another
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        sender = connected(f"http://127.0.0.1:{full.getsockname()[1]}", connect_timeout=0.2)
        start = time.monotonic()
        with pytest.raises(ConnectTimeoutError):
            sender.send([insert("x")])
        assert 0.2 <= time.monotonic() - start < 5


@pytest.mark.parametrize("by", ["client", "HTTP_PROXY", "http_proxy"])
def test_a_proxy_is_used(endpoint: Endpoint, no_environment: pytest.MonkeyPatch, by: str) -> None:
    """Requests go through the proxy that the client, or the environment, names."""
    no_environment.setenv("AWS_ACCESS_KEY_ID", "test")
    no_environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
    options: dict[str, Any] = {"proxies": {"http": endpoint.url}} if by == "client" else {}
    if by != "client":
        no_environment.setenv(by, endpoint.url)
    connected("http://dynamodb.example:8000", **options).send([insert("x")])
    (received,) = endpoint.received
    assert received.path == "http://dynamodb.example:8000/"
    assert received.headers["host"] == "dynamodb.example:8000"


def test_no_proxy_is_used_where_none_is_to_be(endpoint: Endpoint, no_environment: pytest.MonkeyPatch) -> None:
    """A host that the environment excepts is asked directly."""
    no_environment.setenv("AWS_ACCESS_KEY_ID", "test")
    no_environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
    no_environment.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    no_environment.setenv("NO_PROXY", "127.0.0.1")
    connected(endpoint.url).send([insert("x")])
    assert [received.path for received in endpoint.received] == ["/"]


def make_certificate(folder: Path) -> Path:
    """A certificate for the loopback address that it signed itself, with its key, in one file."""
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


def test_certificates_are_checked_and_the_environment_may_name_their_authority(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A certificate that nobody vouches for is refused, and taken when AWS_CA_BUNDLE has its authority."""
    certificate = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    endpoint.server.socket = context.wrap_socket(endpoint.server.socket, server_side=True)
    endpoint.server.handle_error = lambda *_: None  # type: ignore[method-assign]  # the refused handshake
    url = f"https://127.0.0.1:{endpoint.port}"
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    with pytest.raises(SSLError):
        connected(url).send([insert("x")])
    assert endpoint.received == []
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    connected(url).send([insert("x")])
    assert len(endpoint.received) == 1


# Clients that are none of boto3's


class Remembers:
    """A stand-in for a client."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.statements: list[Any] = []

    def batch_execute_statement(self, Statements: list[Any]) -> Any:  # noqa: N803  # boto3's name
        """Remember the statements."""
        self.statements = Statements
        return self.answer


@pytest.mark.parametrize("shows", [True, False])
@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_another_object_gets_what_boto3_would(value: object, shows: bool) -> None:
    """A stand-in for a client is called with the statements as a person would give them to boto3."""
    stand_in: Any = Remembers({"Responses": [{}]})
    statement = Statement(UPDATE, (serialize(value), serialize("c")), shows)
    assert connection(stand_in).send([statement]) == [None]
    assert stand_in.statements == [as_boto3_takes_it(statement)]


@pytest.mark.parametrize("answer", [{}, {"Responses": None}])
def test_another_object_that_does_not_answer_is_told(answer: Any) -> None:
    """A stand-in's answer without answers is none either."""
    stand_in: Any = Remembers(answer)
    with pytest.raises(ResponseParserError):
        connection(stand_in).send([insert("x")])


def test_the_tests_own_form_of_a_value_is_boto3s() -> None:
    """What these tests compare with is made by boto3's own rules: bytes are bytes, and all else is as in JSON."""
    assert as_boto3({"a": serialize(b"\0"), "b": serialize({"B": "AA=="})}) == {
        "a": {"B": base64.b64decode("AA==")},
        "b": {"M": {"B": {"S": "AA=="}}},
    }


def test_moto_stands_in_for_dynamodb() -> None:
    """Where somebody's tests have moto in DynamoDB's place, nothing goes past it to the real one."""
    with mock_aws():
        (code,) = connection(boto3.client("dynamodb")).send(
            [Statement('UPDATE "nowhere" SET "a" = ? WHERE "k" = ?', ['{"S":"1"}', '{"S":"2"}'])]
        )
    assert code == "ResourceNotFound"


def test_an_item_that_is_shown_is_not_built() -> None:
    """Of an item that refuses a statement only that it is there is kept, however large it is."""
    item = {"context": {"S": "c"}, "body": {"M": {"flags": {"L": [{"BOOL": True}] * 1_000}}}}
    response = {"Error": {"Code": "ConditionalCheckFailed", "Message": "no", "Item": item}, "TableName": "modules"}
    read = _read(json.dumps({"Responses": [response, {}]}).encode())
    assert read == {"Responses": [{**response, "Error": {**response["Error"], "Item": True}}, {}]}  # type: ignore[dict-item]
