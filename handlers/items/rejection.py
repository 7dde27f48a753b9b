"""The item that keeps a rejected record whole, with the reason, until it is redriven or expires."""

import gzip
import hashlib
from datetime import datetime, timedelta

from handlers.intake.record import Record
from handlers.items.build import Item
from handlers.items.redact import masked
from handlers.items.timestamps import utc_text
from handlers.outcome import Reason, Rejected, Violation
from handlers.storage.attribute_value import MOST_BYTES, NotStorable, attribute, fits

TABLE = "REJECTED_TABLE"
LONGEST_EVENT_NAME = 255


def rejected_item(
    record: Record, rejection: Rejected, event_name: str | None, now: datetime, retention: timedelta
) -> Item:
    """The item for the table of rejected events; the same record rejected twice gives one key.

    Two records of the same text and the same millisecond are one item too; it names the source of either.

    Raises ``Rejected`` with ``too_large`` when the record is too large even for that table.
    """
    digest = hashlib.sha256(record.data).hexdigest()
    key = (("reason", rejection.reason.value), ("record", f"{utc_text(record.entered)}#{digest}"))
    plain = {
        **({"event_name": event_name} if _is_readable(event_name) else {}),
        "rejected_at": utc_text(now),
        "errors": [{"path": v.path, "rule": v.rule, "expected": v.expected} for v in rejection.violations],
        "source": {"arn": record.source, "id": record.id},
        # No time stamp in the gzip header: the same record gives the same bytes.
        "payload": gzip.compress(masked(record.data), mtime=0),
        "expires_at": int((now + retention).timestamp()),
    }
    attributes = {name: attribute(value) for name, value in (plain | dict(key)).items()}
    if not fits(attributes):
        raise Rejected(Reason.TOO_LARGE, Violation("", "size", f"an item of at most {MOST_BYTES} bytes"))
    return Item(TABLE, key, None, attributes, probably_new=True)


def _is_readable(event_name: str | None) -> bool:
    if event_name is None or not 0 < len(event_name) <= LONGEST_EVENT_NAME:
        return False
    try:
        attribute(event_name)
    except NotStorable:
        return False
    return True
