"""Rejected records back to where they came from, and out of their table only when they are stored.

Safe to interrupt, to repeat, and to run twice at once. A record is deleted from the table of rejected events only
after its items were seen in their tables, at its own version or a newer one. A record that is found there before it
is sent is not sent again. One that is sent twice is stored once, since versions make duplicates harmless.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cli.redrive import publisher
from cli.redrive.dry_run import Judge, Verdict
from cli.redrive.publisher import Destination, Parcel
from cli.stack.stack import Stack
from cli.ui import messages, output
from cli.ui.output import out, plural, print_json, say
from handlers.items.item import Item
from handlers.items.timestamps import format_utc
from handlers.outcome import Fate, RejectionReason

MOST_AT_ONCE = 200  # records under way at once: at a megabyte each they still fit into memory
MOST_KEYS = 100  # Amazon DynamoDB API reference, "BatchGetItem"
FIRST_LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.5, 5.0

# AWS refuses requests from a clock that is further off, so no record can have entered longer before it was sent.
CLOCK_MARGIN = timedelta(minutes=5)


class End(StrEnum):
    """What a redrive comes to for a record. Only the first two delete it from the table of rejected events."""

    STORED = "stored"
    STORED_ALREADY = "stored already"
    WOULD_BE_STORED = "would be stored"
    WOULD_BE_REJECTED = "would be rejected again, not sent"
    NOT_DEPLOYED = "its table is not deployed, not sent"
    NOT_SENT = "could not be sent"
    REJECTED_AGAIN = "rejected again"
    NOT_SEEN = "sent, but not stored in time"
    STOPPED = "not sent, since others were not stored in time"


GOOD = frozenset({End.STORED, End.STORED_ALREADY, End.WOULD_BE_STORED})


@dataclass(frozen=True)
class RejectedRecord:
    """A record of the table of rejected events: its key, the ARN that it came from, its event type, its data."""

    reason: str
    record: str
    source: str
    event_name: str | None
    data: bytes


@dataclass(frozen=True)
class Ended:
    """What became of a record, and why."""

    record: RejectedRecord
    end: End
    why: str = ""


@dataclass(eq=False)
class _Group:
    """Records of the same data, which are sent once; ``sent_as`` is the id of that."""

    records: list[RejectedRecord]
    verdict: Verdict
    sent_as: str | None = None


class Redrive:
    """Redrives rejected records of a stack, waiting at most ``wait`` seconds for those that were sent."""

    def __init__(self, stack: Stack, wait: float) -> None:
        self._stack = stack
        self._wait = wait
        self._judge = Judge(stack.catalogue, stack.environment)
        self._dynamodb = stack.client("dynamodb")

    def run(self, records: Iterable[RejectedRecord], *, dry_run: bool) -> Iterator[Ended]:
        """Redrive records, some at a time; what became of each as soon as it is known.

        When some are not stored in time the others are left alone, for something is wrong then.
        """
        rest = iter(records)
        stuck = False
        while some := list(islice(rest, MOST_AT_ONCE)):
            if stuck:
                yield from (Ended(record, End.STOPPED) for record in some)
                continue
            for ended in self._some(some, dry_run=dry_run):
                stuck |= ended.end is End.NOT_SEEN
                yield ended

    def _some(self, records: Sequence[RejectedRecord], *, dry_run: bool) -> Iterator[Ended]:
        by_data: dict[bytes, list[RejectedRecord]] = {}
        for record in records:
            by_data.setdefault(record.data, []).append(record)
        groups = [_Group(same, self._judge.judge(data)) for data, same in by_data.items()]
        for group in groups:
            held_back = _held_back(group.verdict)
            if held_back:
                yield from _ended(group, *held_back)
        acceptable = [group for group in groups if not _held_back(group.verdict)]
        there = self._stored(acceptable)
        for group in there:
            if not dry_run:
                self._delete(group)
            yield from _ended(group, End.STORED_ALREADY)
        new = [group for group in acceptable if group not in there]
        if dry_run:
            for group in new:
                yield from _ended(group, End.WOULD_BE_STORED)
        else:
            yield from self._send_and_wait(new)

    def _send_and_wait(self, groups: list[_Group]) -> Iterator[Ended]:
        since = datetime.now(UTC) - CLOCK_MARGIN
        for destination, those in self._by_destination(groups):
            receipts = publisher.send(destination, [Parcel(group.records[0].data) for group in those])
            for group, receipt in zip(those, receipts, strict=True):
                group.sent_as = receipt.id
                if receipt.fault:
                    yield from _ended(group, End.NOT_SENT, receipt.fault)
        yield from self._await([group for group in groups if group.sent_as], since)

    def _by_destination(self, groups: list[_Group]) -> Iterator[tuple[Destination, list[_Group]]]:
        """The records that came through the stream, and all others: those of a source that is gone go to the queue."""
        arn = self._stack.stream_arn
        streamed = [group for group in groups if arn and group.records[0].source == arn]
        if streamed:
            yield publisher.stream(self._stack), streamed
        queued = [group for group in groups if group not in streamed]
        if queued:
            yield publisher.queue(self._stack), queued

    def _await(self, waiting: list[_Group], since: datetime) -> Iterator[Ended]:
        until = time.monotonic() + self._wait
        pause = FIRST_LOOK_SECONDS
        with output.progress() as progress:
            total = len(waiting)
            task = progress.add_task("waiting until they are stored", total=total)
            while waiting:
                for group in self._stored(waiting):
                    self._delete(group)
                    waiting.remove(group)
                    yield from _ended(group, End.STORED)
                for group, why in self._rejected_again(waiting, since):
                    waiting.remove(group)
                    yield from _ended(group, End.REJECTED_AGAIN, why)
                progress.update(task, completed=total - len(waiting))
                if time.monotonic() > until:
                    break
                if waiting:
                    # Until the next look, or a little after the end of the wait.
                    time.sleep(min(pause, max(0.0, until - time.monotonic()) + 0.1))
                    pause = min(LONGEST_LOOK_SECONDS, pause * 1.5)
        for group in waiting:
            yield from _ended(group, End.NOT_SEEN)

    def _stored(self, groups: Sequence[_Group]) -> list[_Group]:
        """Those whose every item is in its table, at its version or a newer one: stored, or superseded.

        Occurrences have no versions: they are there, or not.
        """
        wanted = {_place(item) for group in groups for item in group.verdict.items}
        held = self._versions(sorted(wanted))
        return [
            group
            for group in groups
            if all(_place(item) in held and held[_place(item)] >= (item.version or "") for item in group.verdict.items)
        ]

    def _versions(self, places: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str, str], str]:
        """The versions that the tables hold of items, by table variable and key; consistent reads.

        Empty for an occurrence, which has none.
        """
        tables = self._stack.entity_tables
        variables = {table: variable for variable, table in tables.items()}
        held: dict[tuple[str, str, str], str] = {}
        for start in range(0, len(places), MOST_KEYS):
            request: dict[str, Any] = {}
            for variable, context, entity in places[start : start + MOST_KEYS]:
                asked = request.setdefault(tables[variable], {"Keys": [], "ConsistentRead": True})
                asked["Keys"].append({"context": {"S": context}, "entity": {"S": entity}})
            while request:
                answer = self._dynamodb.batch_get_item(RequestItems=request)
                for table, items in answer["Responses"].items():
                    for item in items:
                        place = (variables[table], item["context"]["S"], item["entity"]["S"])
                        held[place] = item.get("version", {}).get("S", "")
                request = answer.get("UnprocessedKeys", {})
        return held

    def _rejected_again(self, groups: Sequence[_Group], since: datetime) -> Iterator[tuple[_Group, str]]:
        """Those that the functions refused once more, and why; of the two records the first is kept."""
        by_id = {group.sent_as: group for group in groups}
        for reason in RejectionReason if groups else ():
            pages = self._dynamodb.get_paginator("query").paginate(
                TableName=self._stack.rejected_table,
                ConsistentRead=True,
                KeyConditionExpression="#reason = :reason AND #record >= :since",
                ProjectionExpression="#reason, #record, #source, #errors",
                ExpressionAttributeNames={
                    "#reason": "reason", "#record": "record", "#source": "source", "#errors": "errors",
                },
                ExpressionAttributeValues={":reason": {"S": reason}, ":since": {"S": format_utc(since)}},
            )  # fmt: skip
            for item in (item for page in pages for item in page["Items"]):
                # Once each: it may have been delivered, and refused, more than once.
                group = by_id.pop(item["source"]["M"]["id"]["S"], None)
                if group:
                    self._keep_the_first(group, item)
                    yield group, f"{reason}: {_first_rule(item)}".removesuffix(": ")

    def _keep_the_first(self, group: _Group, again: Any) -> None:
        """Delete the new record, in one transaction with the look whether the first is still there."""
        table = self._stack.rejected_table
        first = group.records[0]
        check = {
            "TableName": table, "Key": _key(first.reason, first.record),
            "ConditionExpression": "attribute_exists(#reason)", "ExpressionAttributeNames": {"#reason": "reason"},
        }  # fmt: skip
        delete_new = {"TableName": table, "Key": {"reason": again["reason"], "record": again["record"]}}
        try:
            self._dynamodb.transact_write_items(TransactItems=[{"ConditionCheck": check}, {"Delete": delete_new}])
        except ClientError as error:
            # The first one is gone, purged meanwhile: then the new one stays.
            if error.response.get("Error", {}).get("Code") != "TransactionCanceledException":
                raise

    def _delete(self, group: _Group) -> None:
        delete(self._stack, ((record.reason, record.record) for record in group.records))


def delete(stack: Stack, keys: Iterable[tuple[str, str]]) -> None:
    """Delete records of these keys from the table of rejected events."""
    table = stack.session.resource("dynamodb", endpoint_url=stack.endpoint).Table(stack.rejected_table)
    with table.batch_writer() as writer:
        for reason, record in keys:
            writer.delete_item(Key={"reason": reason, "record": record})


def report(ended: Iterable[Ended], *, dry_run: bool, as_json: bool) -> int:
    """Show what became of the records; 0 when nothing of them is left to do."""
    everything: list[Ended] = []
    try:
        everything.extend(ended)
    except (KeyboardInterrupt, BotoCoreError, ClientError):
        _show(everything, as_json=as_json)
        say("Stopped on the way. Nothing is lost: say the same again, and it goes on from here.")
        raise
    _show(everything, as_json=as_json)
    if not everything:
        say("Nothing of that was rejected, so there is nothing to redrive.")
    elif dry_run:
        say("Dry run: nothing was sent, and nothing deleted.")
    left = sum(each.end not in GOOD for each in everything)
    if left:
        say(f"{plural(left, 'record')} stay in the table of rejected events.")
    return 1 if left else 0


def _show(everything: Sequence[Ended], *, as_json: bool) -> None:
    if as_json:
        print_json([
            {"reason": each.record.reason, "record": each.record.record, "event_name": each.record.event_name,
             "end": each.end, "why": each.why}
            for each in everything
        ])  # fmt: skip
    elif everything:
        rows = Counter((each.end, each.record.event_name or "", each.why) for each in everything)
        columns = ("what becomes of them", "event type", "why", "records#")
        out().print(output.table(columns, ((*row, count) for row, count in sorted(rows.items()))))


def _held_back(verdict: Verdict) -> tuple[End, str] | None:
    """Why a record would not be stored if it were sent now; None where it would."""
    outcome = verdict.outcome
    match outcome.fate:
        case Fate.STORED:
            return None
        case Fate.IGNORED:
            return End.NOT_DEPLOYED, ""
    broken = "; ".join(f"{v.path} {v.rule} {v.expected}".strip() for v in outcome.violations)
    return End.WOULD_BE_REJECTED, f"{outcome.reason}: {broken}".removesuffix(": ")


def _ended(group: _Group, end: End, why: str = "") -> Iterator[Ended]:
    return (Ended(record, end, why) for record in group.records)


def _place(item: Item) -> tuple[str, str, str]:
    (_, context), (_, entity) = item.key
    return item.table_variable, context, entity


def _key(reason: str, record: str) -> dict[str, Any]:
    return {"reason": {"S": reason}, "record": {"S": record}}


def _first_rule(item: Any) -> str:
    errors = [{name: value["S"] for name, value in error["M"].items()} for error in item["errors"]["L"]]
    return messages.rules(errors).replace("\n", "; ")
