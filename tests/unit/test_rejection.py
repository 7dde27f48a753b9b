"""The item of a rejected record."""

import gzip
import random
from datetime import timedelta

import pytest

from handlers.intake.record import Record
from handlers.items.item import Item
from handlers.items.redact import redact
from handlers.items.rejection import rejection_item
from handlers.outcome import Rejection, RejectionReason, Violation
from handlers.storage.attribute_value import MAX_ITEM_BYTES, item_size
from tests.support.engines import NOW, as_boto3

RECORD = Record("id-1", b'{"not": "an event"}', NOW, "arn:aws:sqs:eu-west-1:1:q")
REJECTION = Rejection(RejectionReason.SCHEMA_VIOLATION, Violation("body.due_at", "format", "date-time"))


def item_of(record: Record, event_name: str | None = None) -> Item:
    """Return the item of a record that was rejected two days after it was enqueued."""
    return rejection_item(record, REJECTION, event_name, NOW + timedelta(days=2), timedelta(days=90))


def test_rejection_item_contains_the_record_and_the_reason() -> None:
    """The item contains the whole record, the reason, the source, the time and the expiry."""
    item = item_of(RECORD, "module_created")
    digest = "d4b53d5bd3fd9c7e8ec03cb5a6b14f0bd9cb3e8f0f3c9fe4d62a2c0de6d2d7f5"
    assert item.key[0] == ("reason", "schema_violation")
    assert item.key[1][1].startswith("2026-09-07T12:00:00.000000Z#")
    assert len(item.key[1][1]) == len("2026-09-07T12:00:00.000000Z#") + len(digest)
    attributes = as_boto3(item.attributes)
    payload = attributes.pop("payload")["B"]
    assert gzip.decompress(payload) == RECORD.data
    assert payload[4:8] == bytes(4)  # no time stamp, or the same record would not give the same bytes
    assert attributes == {
        **{name: {"S": value} for name, value in item.key},
        "event_name": {"S": "module_created"},
        "rejected_at": {"S": "2026-09-09T12:00:00.000000Z"},
        "errors": {
            "L": [{"M": {"path": {"S": "body.due_at"}, "rule": {"S": "format"}, "expected": {"S": "date-time"}}}]
        },
        "source": {"M": {"arn": {"S": "arn:aws:sqs:eu-west-1:1:q"}, "id": {"S": "id-1"}}},
        "expires_at": {"N": str(int((NOW + timedelta(days=92)).timestamp()))},
    }


def test_rejection_key_identifies_the_record() -> None:
    """A record has the same key and payload however often it is rejected; a different one has its own."""
    again = item_of(RECORD)
    assert again.key == item_of(RECORD).key
    assert again.attributes["payload"] == item_of(RECORD).attributes["payload"]
    assert again.key != item_of(Record("id-1", b'{"not": "an event!"}', NOW, "q")).key
    assert again.key != item_of(Record("id-1", RECORD.data, NOW + timedelta(seconds=1), "q")).key


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        (
            b'"url":"https://c.edu/x?access_token=1015~AbC-9._z&y=1"',
            b'"url":"https://c.edu/x?access_token=REDACTED&y=1"',
        ),
        (b'"https://c.edu/f?verifier=abc"', b'"https://c.edu/f?verifier=REDACTED"'),
        (b'"https://c.edu/f?sf_verifier=a%2Eb#top"', b'"https://c.edu/f?sf_verifier=REDACTED#top"'),
        (b'"https://c.edu/f?Access_Token=abc\\u0026y=1"', b'"https://c.edu/f?Access_Token=REDACTED\\u0026y=1"'),
        (b"?to=https%3A%2F%2Fc%3Faccess_token%3Dabc%26y%3D1", b"?to=https%3A%2F%2Fc%3Faccess_token%3DREDACTED%26y%3D1"),
        (b"access_token=7%7Eabc", b"access_token=REDACTED"),
        (b'"?access_token=a\\/b\\u002Bc:d!\\u0026x=1"', b'"?access_token=REDACTED\\u0026x=1"'),
        (b"?access_token[]=a;b#c", b"?access_token[]=REDACTED#c"),
        (b"?access_token%5B%5D=abc&y=1", b"?access_token%5B%5D=REDACTED&y=1"),
        (b"?to=https%253A%252F%252Fc%253Fverifier%253Dabc", b"?to=https%253A%252F%252Fc%253Fverifier%253DREDACTED"),
        (b"enter password=hunter2 to pass", b"enter password=hunter2 to pass"),
        (b"broken JSON ?verifier=abc\\nnext line", b"broken JSON ?verifier=REDACTED\\nnext line"),
        (b"nothing to hide: 1 = 1", b"nothing to hide: 1 = 1"),
    ],
)
def test_secrets_in_urls_are_redacted(secret: bytes, shown: bytes) -> None:
    """Access tokens and verifiers in URLs are never stored, however the URL is escaped."""
    assert redact(secret) == shown
    payload = as_boto3(item_of(Record("1", secret, NOW, "q")).attributes)["payload"]["B"]
    assert gzip.decompress(payload) == shown


@pytest.mark.parametrize("equals", [b"=", b"%3D", b"%253D", b"\\u003D"])
@pytest.mark.parametrize(
    "end",
    [b'"', b"'", b"&", b"#", b" ", b"\t", b"<", b">", b"\\n"]
    + [escape + code for escape in (b"%", b"\\u00") for code in (b"20", b"22", b"23", b"26", b"3C", b"3E")],
)
def test_redaction_ends_with_the_parameter(equals: bytes, end: bytes) -> None:
    """The text after the value is preserved, whatever ends the value and however that is escaped."""
    assert redact(b"verifier" + equals + b"abc" + end + b"rest") == b"verifier" + equals + b"REDACTED" + end + b"rest"


@pytest.mark.parametrize("data", [b"\xf3\x89\x9a\xc2?verifier=abc&x", b"\x1f\x8b?verifier=abc", b"\xff ?verifier=abc"])
def test_bytes_that_are_not_text_are_kept_unchanged(data: bytes) -> None:
    """Binary data is kept byte for byte, even where a part of it looks like a secret: it must stay readable."""
    payload = as_boto3(item_of(Record("1", data, NOW, "q")).attributes)["payload"]["B"]
    assert gzip.decompress(payload) == data


def test_secret_in_an_event_name_is_redacted() -> None:
    """An event name is stored beside the payload, so a URL in it loses its secret as well."""
    attributes = as_boto3(item_of(RECORD, "https://c.edu/?verifier=abc").attributes)
    assert attributes["event_name"] == {"S": "https://c.edu/?verifier=REDACTED"}


@pytest.mark.parametrize("event_name", [None, "", "\ud800", "x" * 256])
def test_unusable_event_name_is_left_out(event_name: str | None) -> None:
    """An event name that is not text, or cannot be stored, is left out of the item."""
    assert "event_name" not in item_of(RECORD, event_name).attributes


@pytest.mark.parametrize("event_name", ["x", "x" * 255])
def test_event_name_is_stored(event_name: str) -> None:
    """An event name of up to 255 characters is in the item, whether or not the catalogue has it."""
    assert as_boto3(item_of(RECORD, event_name).attributes)["event_name"] == {"S": event_name}


def test_record_too_large_for_the_rejected_table_is_an_error() -> None:
    """A record over 400 KB even when compressed raises an error, so that it is returned to its source."""
    noise = random.Random(1).randbytes(410_000)  # noqa: S311  # data that does not compress

    def bytes_of(length: int) -> int:
        return item_size(item_of(Record("1", noise[:length], NOW, "q")).attributes)

    max_length = 400_000 + MAX_ITEM_BYTES - bytes_of(400_000)
    max_length += MAX_ITEM_BYTES - bytes_of(max_length)
    assert bytes_of(max_length) == MAX_ITEM_BYTES
    with pytest.raises(Rejection) as caught:
        bytes_of(max_length + 1)
    assert caught.value == Rejection(
        RejectionReason.TOO_LARGE, Violation("", "size", "an item of at most 409600 bytes")
    )


def test_rejections_compare_by_reason_and_violations() -> None:
    """Two rejections of the same reason and violations are equal, and equal to nothing else."""
    same = Rejection(RejectionReason.SCHEMA_VIOLATION, *REJECTION.violations)
    others = [Rejection(RejectionReason.UNROUTABLE, *REJECTION.violations), Rejection(RejectionReason.SCHEMA_VIOLATION)]
    assert same == REJECTION
    assert REJECTION not in [*others, ValueError(*REJECTION.args)]


def test_redaction_takes_linear_time() -> None:
    """A megabyte that repeats the beginning of a secret is redacted quickly."""
    assert len(redact(b"verifier" * 100_000 + b"verifier=" * 10)) > 0
