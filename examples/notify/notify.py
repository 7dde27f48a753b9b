"""Report which date of an assignment moved: a subscriber of the change stream of the assignments table."""

import json
from typing import Any

DATES = ("due_at", "unlock_at", "lock_at")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Report each moved date; Lambda delivers again from the first record that fails."""
    for record in event["Records"]:
        try:
            _report(record["dynamodb"])
        except Exception as error:  # noqa: BLE001  # one record must not take the earlier ones with it
            print(json.dumps({"message": "not reported", "error": type(error).__name__}))
            return {"batchItemFailures": [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]}]}
    return {"batchItemFailures": []}


def _report(change: dict[str, Any]) -> None:
    old, new = (change[image]["body"]["M"] for image in ("OldImage", "NewImage"))
    key = {name: value["S"] for name, value in change["Keys"].items()}
    for date in DATES:
        before, after = (body.get(date, {}).get("S") for body in (old, new))  # an absent date is null
        if before != after:
            print(json.dumps({"message": "date moved", **key, "date": date, "before": before, "after": after}))
