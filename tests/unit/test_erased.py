"""The list of erased people: what is about them is not processed again, and their ids are not in what is."""

import io
import json

import pytest

from handlers.archive.bucket import BucketError, ObjectStream
from handlers.archive.erased import KEY, ErasedPeople, read_erased_people
from handlers.intake.decode import decode
from handlers.intake.record import Record
from handlers.items.event_types import load
from tests.support.engines import NOW, SAMPLES, EventFactory

KNOWN = load()
ACCOUNT = decode(SAMPLES["user_created"].encode()).metadata["root_account_uuid"]
ERASED = ErasedPeople(b"a key").with_names(ACCOUNT, ["User#8123", "a-uuid", "Submission#77"])


class Bucket:
    """A bucket with one object, or none."""

    name = "ours"

    def __init__(self, content: bytes | None, error: str = "NoSuchKey") -> None:
        self._content, self._error = content, error

    def write(self, key: str, data: bytes) -> None:  # noqa: ARG002  # the protocol's signature
        """Nobody here writes."""
        raise AssertionError

    def open(self, key: str) -> ObjectStream:
        """Read the object."""
        assert key == KEY
        if self._content is None:
            raise BucketError(self._error)
        return io.BytesIO(self._content)


def without(text: str) -> Record | None:
    """Return what remains of a record."""
    return ERASED.without(Record("1", text.encode(), NOW, ""), KNOWN)


@pytest.mark.parametrize(
    ("name", "metadata", "body"),
    [
        ("user_updated", {}, {"user_id": "8123"}),
        ("user_updated", {}, {"user_id": "1015~8123"}),
        ("user_updated", {}, {"user_id": 10150000000008123}),
        ("grade_change", {}, {"student_id": "8123"}),
        ("conversation_message_created", {}, {"author_id": "8123"}),
        ("enrollment_created", {}, {"associated_user_id": "8123"}),
        ("submission_comment_created", {}, {"submission_id": "77", "user_id": "9"}),
        ("learning_outcome_result_created", {}, {"user_uuid": "a-uuid"}),
        ("attachment_created", {}, {"context_type": "User", "context_id": "8123"}),
        ("course_completed", {}, {"user": {"id": "8123", "name": "x", "email": "y"}}),
        ("asset_accessed", {"user_id": "8123"}, {}),
        ("asset_accessed", {"user_id": "9"}, {"asset_type": "user", "asset_id": "8123"}),
        ("asset_accessed", {"user_id": "9", "context_type": "User", "context_id": "8123"}, {}),
        ("logged_in", {"user_id": "8123"}, {}),
    ],
)
def test_what_is_about_an_erased_person_is_skipped(
    event: EventFactory, name: str, metadata: dict[str, str], body: dict[str, object]
) -> None:
    """An event about the person, by them, of their work or of their activity is not processed, in any form of an id."""
    shard = {"root_account_id": "10150000000000001"}
    assert without(event(name, metadata=shard | metadata, **body)) is None
    assert without(event(name, metadata={"root_account_id": None} | metadata, **body)) is None


def test_snapshot_of_an_erased_person_is_skipped(event: EventFactory) -> None:
    """What reconcile reads of the person in Canvas, or of their work, brings nothing back."""
    for event_name, body in (
        ("user_created", {"user_id": "8123"}),
        ("enrollment_created", {"user_id": "8123"}),
        ("submission_created", {"submission_id": "77", "user_id": "8123"}),
    ):
        name = event_name.replace("_created", "_snapshot")
        assert without(event(event_name, {"event_name": name}, **body)) is None
    assert without(event("user_created", {"event_name": "user_snapshot"}, user_id="9")) is not None


def test_other_records_stay_as_they_are(event: EventFactory) -> None:
    """A record that names nobody on the list, or the same id at another institution, is untouched."""
    for text in (
        event("user_updated", metadata={"user_id": "9"}, user_id="8124"),
        event("user_updated", metadata={"root_account_uuid": "another"}, user_id="8123"),
        event("quiz_submitted", metadata={"user_id": "9"}, submission_id="77", user_id="9", quiz_id="1"),
    ):
        record = without(text)
        assert record
        assert record.data == text.encode()


def test_the_id_of_whoever_acted_is_removed(event: EventFactory) -> None:
    """A grade that an erased person gave stays, without them."""
    record = without(event("grade_change", metadata={"user_id": "8123"}, grader_id="8123", student_id="9", user_id="9"))
    assert record
    remaining = decode(record.data)
    assert "user_id" not in remaining.metadata
    assert "grader_id" not in remaining.body
    assert remaining.body["student_id"] == "9"


def test_a_record_that_cannot_be_read_is_skipped() -> None:
    """It could only be rejected again, and may name the person."""
    assert without("user 8123 wrote this") is None


def test_the_list_names_nobody_and_is_read_as_it_was_written() -> None:
    """Without its key the hashes tell nothing, and the list survives the bucket."""
    content = ERASED.to_bytes()
    assert b"8123" not in content
    again = read_erased_people(Bucket(content))
    assert again.includes(ACCOUNT, "User#8123")
    assert not again.includes(ACCOUNT, "User#8124")
    assert not again.includes("another", "User#8123")


def test_a_bucket_without_a_list_has_an_empty_one_with_a_new_key() -> None:
    """Every list has a key of its own."""
    first, second = (read_erased_people(Bucket(None)) for _ in range(2))
    assert not first
    names = ("a", ["User#1"])
    assert json.loads(first.with_names(*names).to_bytes()) != json.loads(second.with_names(*names).to_bytes())


def test_a_list_that_cannot_be_read_is_an_error() -> None:
    """Nobody is brought back because S3 fails, or because the object was replaced."""
    with pytest.raises(BucketError):
        read_erased_people(Bucket(None, "AccessDenied"))
    for content in (b"{}", b"[]", b"not JSON", b'{"key": "x", "hashes": []}'):
        with pytest.raises(ValueError, match="not a list"):
            read_erased_people(Bucket(content))
