"""Build the item that keeps a rejected record, whole and with the reason, until it is redriven or expires."""

import gzip
import hashlib
from datetime import datetime, timedelta

from handlers.intake.record import Record
from handlers.items.attributes import REJECTED
from handlers.items.item import Item, PrimaryKey, make_item
from handlers.items.redact import redact, redact_text
from handlers.items.timestamps import format_utc
from handlers.outcome import Rejection
from handlers.storage.attribute_value import UnsupportedValue, serialize

TABLE_VARIABLE = "REJECTED_TABLE"
MAX_EVENT_NAME_LENGTH = 255


def rejection_item(
    record: Record, rejection: Rejection, event_name: str | None, now: datetime, retention: timedelta
) -> Item:
    """Build the item for the table of rejected events; rejecting a record twice gives the same key.

    Its payload is the record as it came, gzipped; if that is text, secrets in URLs are redacted.
    Two records with the same text and the same millisecond are one item too; it names the source of either.

    Raises ``Rejection`` with ``too_large`` if the record is too large even for that table.
    """
    digest = record.digest or hashlib.sha256(record.data).hexdigest()
    key = PrimaryKey(("reason", rejection.reason.value), ("record", f"{format_utc(record.enqueued_at)}#{digest}"))
    values = {
        **({"event_name": redact_text(event_name)} if event_name and _is_storable(event_name) else {}),
        "rejected_at": format_utc(now),
        "errors": [{"path": v.path, "rule": v.rule, "expected": v.expected} for v in rejection.violations],
        "source": {"arn": record.source_arn, "id": record.id},
        # No timestamp in the gzip header: the same record gives the same bytes.
        "payload": gzip.compress(redact(record.data), mtime=0),
        "expires_at": int((now + retention).timestamp()),
    }
    attributes = {name: serialize(value) for name, value in values.items()}
    return make_item(REJECTED, TABLE_VARIABLE, key, attributes, insert_first=True)


def _is_storable(event_name: str) -> bool:
    if len(event_name) > MAX_EVENT_NAME_LENGTH:
        return False
    try:
        serialize(event_name)
    except UnsupportedValue:
        return False
    return True
