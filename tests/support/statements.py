"""Shared helpers for tests of requests to DynamoDB: statements, difficult values, and an HTTP response."""

import gzip
from decimal import Decimal
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders

from handlers.storage.attribute_value import serialize
from handlers.storage.transport import Statement
from tests.support.engines import as_boto3

INSERT = """INSERT INTO "modules" VALUE {'context': ?, 'entity': ?, 'body': ?}"""
UPDATE = """UPDATE "modules" SET "body" = ? WHERE "context" = ? AND "entity" = ? AND "version" < ?"""

HOSTILE: dict[str, object] = {
    "empty": "",
    "quotes": "'\"`\\'\\\"",
    "backslashes": "\\ \\\\ \\n \\u0041 \\ud800",
    "control characters": "".join(map(chr, range(32))) + "\x7f\x80\x9f",
    "line separators": "\r\n\n\r\u2028\u2029\x85",
    "unicode": "Grüße, 你好, עברית, e\u0301, \ufeff, \ufffe, \uffff, \ue000",
    "emoji": "\U0001f600 \U0001f469\u200d\U0001f52c \U0010ffff",
    "PartiQL": "'; DELETE FROM \"modules\" WHERE \"context\" = 'c' --",
    "placeholders": "? ?? {0} %s ${x}",
    "markup": "<script>&amp;</script>",
    "DynamoDB JSON in a string": '{"S": "x"}',
    "numbers": [0, -1, 1, 10**37, -(10**37), Decimal("0.1"), Decimal("-33.333333333333336"), Decimal("100.00")],
    "largest numbers": [Decimal("9." + "9" * 37 + "E+125"), Decimal("-9." + "9" * 37 + "E+125")],
    "smallest numbers": [Decimal("1E-130"), Decimal("-1E-130"), Decimal("0E-500")],
    "true is not 1": [True, 1, "1", False, 0, "0", None, "null", [], {}],
    "names": {name: name for name in ["S", "B", "a.b", "a b", "?", "'", '"', "\\", "\n", "ü", "\U0001f600"]},
    "a map that looks like bytes": {"B": "bm8=", "b": {"B": {"B": "AA=="}}},
    "nested": {"a": [{"b": [{"c": [[[]], {}, [{}]]}]}]},
    "bytes": gzip.compress(bytes(range(256)) * 9, mtime=0),
    "empty bytes": b"",
    "all bytes": bytes(range(256)),
}  # fmt: skip


def insert(value: object, entity: str = "e") -> Statement:
    """Return a statement that writes a value."""
    return Statement(INSERT, (serialize("c"), serialize(entity), serialize(value)))


def boto3_statement(statement: Statement) -> Any:
    """Return a statement in the form in which boto3 takes it."""
    parameters = [as_boto3({"": parameter})[""] for parameter in statement.parameters]
    old_item = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"} if statement.return_old_item else {}
    return {"Statement": statement.partiql, "Parameters": parameters, **old_item}


def http_response(request: AWSPreparedRequest, status: int, body: bytes) -> Any:
    """Return a response as botocore receives it, for a listener of ``before-send`` to return."""
    response: Any = AWSResponse(request.url, status, HTTPHeaders(), None)
    response._content = body
    return response
