"""The whole system on this machine: deploy the template, send sample events, account for every record."""

import contextlib
import itertools
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from cli.catalogue.model import EventTypeDefinition, load
from cli.catalogue.samples import as_self_hosted, rejected_samples, samples
from cli.local import dashboard
from cli.local.function_logs import FATES, complete_logs, settle
from cli.local.invocation import scan, table_variables
from cli.local.ministack import STACK, LocalAws, deploy, ministack, published
from cli.redrive import rejected_item
from cli.stack.hierarchy import Hierarchy, StoredItem, strip_account
from cli.stack.stack import family
from cli.ui import arguments, output, render
from handlers.outcome import RejectionReason
from handlers.telemetry.logs_and_metrics import UNKNOWN_TYPE_LABEL

COURSE, PERSON = "2041", "8123"
PARAMETERS = {
    "KinesisStream": "create",
    "DeletionProtection": "false",
    "MaximumBatchingWindowInSeconds": "1",
    "ArchiveDays": "30",
    "ReplayConcurrency": "2",
}

_INTRODUCTION = """\
This sends {records} sample records through the whole system on this machine.
Duplicate, late and invalid records are intended: they show how each is handled.
"""
_COMMAND = ".venv/bin/canvas-events"

Totals = dict[str, Counter[str]]  # how many records of which event type had which outcome


@dataclass(frozen=True)
class DemoRecord:
    """A record to be sent: its source, ``queue`` or ``stream``, and its text."""

    source: str
    text: str


def run(families: str | None = None, *, keep: bool, as_json: bool = False) -> int:
    """Run the demonstration; returns 0 when every record is accounted for, 1 otherwise.

    ``families`` is the parameter Families. With ``keep`` the stack stays until Ctrl-C. Raises ``CommandError`` for a
    family that does not exist.
    """
    parent = os.getppid()
    chosen = arguments.families_parameter(families)
    console = output.stderr() if as_json else output.stdout()
    records = list(demo_records())
    console.print(_INTRODUCTION.format(records=len(records)))
    with ministack() as aws:
        with console.status("Deploying template.yaml into MiniStack …"):
            outputs = deploy(aws, PARAMETERS | chosen)
        console.print(f"Deployed the stack [bold]{STACK}[/bold] at {aws.endpoint}.\n")
        with complete_logs(aws):
            totals = _send_and_wait(aws, outputs, records, console)
        tables = table_variables(outputs)
        items = {variable: scan(aws, table) for variable, table in tables.items()}
        rejected = items.pop("REJECTED_TABLE")
        problems = list(_problems(aws, outputs, records, totals, len(rejected)))
        dashboard.snapshot(aws)
        if as_json:
            output.print_json({"sent": len(records), "totals": totals, "rejected": rejected, "problems": problems})
        else:
            _show(console, records, totals, list(itertools.chain.from_iterable(items.values())), rejected)
        _show_verdict(console, totals, problems)
        if keep:
            _keep_running(console, aws, outputs, parent)
        else:
            _show_next_steps(console)
    if keep:
        console.print("Stopped.")
    return 1 if problems else 0


@cache
def _known() -> dict[str, EventTypeDefinition]:
    """The event types by name, read once: every record is looked up."""
    return load()


def demo_records() -> Iterator[DemoRecord]:
    """Events as Canvas could send them, with the disorder of a stream.

    The samples newest first, so that half of them are late; some of them twice; those of another course through the
    stream, as a self-hosted Canvas sends them; a deletion, and after it a late event about what was deleted; and
    records that must be rejected.
    """
    valid = samples()
    newest_first = sorted(valid.values(), key=_event_time, reverse=True)
    yield from (DemoRecord("queue", text) for text in newest_first)
    yield from (DemoRecord("queue", text) for text in newest_first[:5])
    yield from (DemoRecord("stream", as_self_hosted(_in_another_course(text))) for text in valid.values())
    yield from (DemoRecord("stream", as_self_hosted(text)) for text in newest_first[:3])
    yield DemoRecord("queue", _changed(valid["module_item_updated"], "2026-09-06T08:00:00Z", workflow_state="deleted"))
    yield DemoRecord("queue", _changed(valid["module_item_created"], "2026-09-05T08:00:00Z", position=3))
    yield from (DemoRecord("queue", text) for text in rejected_samples().values())
    yield from (DemoRecord("stream", text) for text in rejected_samples().values())


def _send_and_wait(aws: LocalAws, outputs: dict[str, str], records: list[DemoRecord], console: Console) -> Totals:
    with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=console) as progress:
        sending = progress.add_task("sent", total=len(records))
        settled = progress.add_task("processed", total=len(records))
        for record in records:
            _send(aws, outputs, record)
            progress.advance(sending)
        return settle(aws, outputs["QueueUrl"], len(records), lambda count: progress.update(settled, completed=count))


def _send(aws: LocalAws, outputs: dict[str, str], record: DemoRecord) -> None:
    if record.source == "queue":
        aws.client("sqs").send_message(QueueUrl=outputs["QueueUrl"], MessageBody=record.text)
    else:
        aws.client("kinesis").put_record(
            StreamName=outputs["StreamName"], PartitionKey=str(hash(record.text)), Data=record.text.encode()
        )


def _show(
    console: Console, records: list[DemoRecord], totals: Totals, items: list[StoredItem], rejected: list[StoredItem]
) -> None:
    console.print("\n[bold]Outcome of the records[/bold], by family")
    console.print(_totals_table(records, totals))
    for context in (f"Course#{COURSE}", f"User#{PERSON}"):
        if any(strip_account(item["context"]) == context for item in items):
            console.print("", render.contents(context, items, Hierarchy(_known())), sep="\n")
    console.print("\n[bold]Rejected records[/bold], with the error in each")
    console.print(render.rejections(map(rejected_item.parse, rejected)))


def _totals_table(records: list[DemoRecord], totals: Totals) -> Table:
    """The outcomes by family, narrow enough for a terminal of 60 columns; the log has them by event type."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0, pad_edge=False)
    table.add_column("family", no_wrap=True)
    for name in ("types", "sent", *FATES):
        table.add_column(name, justify="right", no_wrap=True)
    sent = Counter(_event_type(record.text) for record in records)
    by_family: dict[str, list[str]] = {}
    for event_type in sorted(sent.keys() | totals.keys()):
        known = _known().get(event_type)
        by_family.setdefault(family(known.table_variable) if known else UNKNOWN_TYPE_LABEL, []).append(event_type)

    def add(name: str, event_types: list[str]) -> None:
        outcomes = sum((totals.get(event_type, Counter()) for event_type in event_types), Counter[str]())
        types = sum(event_type != UNKNOWN_TYPE_LABEL for event_type in event_types)
        numbers = (types, sum(sent[event_type] for event_type in event_types), *(outcomes[fate] for fate in FATES))
        table.add_row(name, *(f"{number:,}" if number else "·" for number in numbers))

    for name, event_types in sorted(by_family.items()):
        add(name, event_types)
    table.add_section()
    add("all", list(itertools.chain.from_iterable(by_family.values())))
    return table


def _problems(
    aws: LocalAws, outputs: dict[str, str], records: list[DemoRecord], totals: Totals, rejected: int
) -> Iterator[str]:
    for event_type, sent in Counter(_event_type(record.text) for record in records).items():
        accounted = sum(totals.get(event_type, Counter[str]())[fate] for fate in FATES)
        if accounted != sent:
            yield f"{event_type}: {sent} records were sent, but {accounted} are accounted for."
    tables = table_variables(outputs)
    rejectable = [
        text
        for reason, text in rejected_samples().items()
        if reason == RejectionReason.OTHER_ENVIRONMENT or _has_table(text, tables)
    ]
    invalid = sum(record.text in rejectable for record in records)
    if rejected != invalid:
        yield f"{invalid} records should have been rejected, but the table of rejected events has {rejected}."
    dead = aws.client("sqs").get_queue_attributes(
        QueueUrl=outputs["DeadLetterQueueUrl"], AttributeNames=["ApproximateNumberOfMessages"]
    )["Attributes"]["ApproximateNumberOfMessages"]
    if dead != "0":
        yield f"The dead-letter queue has {dead} messages."


def _has_table(text: str, tables: Mapping[str, str]) -> bool:
    """Whether the record's family is deployed: an event of one that is not is ignored, however invalid it is.

    Only where an event comes from is looked at before.
    """
    known = _known().get(_event_type(text))
    return known is None or known.table_variable in tables


def _show_verdict(console: Console, totals: Totals, problems: list[str]) -> None:
    for problem in problems:
        console.print(Text(problem, "bold red"))
    if not problems:
        outcomes = "stored, superseded or rejected"
        if any(counts["ignored"] for counts in totals.values()):
            outcomes = "stored, superseded, rejected, or ignored with its family"
        console.print(f"\n[bold green]All records accounted for:[/bold green] each was {outcomes}.")
    console.print("Same numbers as a dashboard: [bold]make dashboard[/bold]")


def _show_next_steps(console: Console) -> None:
    console.print("\nTo look around in the running stack: [bold]make run KEEP=1[/bold]")
    console.print("To process one event file:")
    console.print(f"  [bold]{_COMMAND} invoke events/sqs/assignment_updated.json[/bold]")


def _keep_running(console: Console, aws: LocalAws, outputs: dict[str, str], parent: int) -> None:
    """Publish the stack for ``--local``, show how to use it, and wait for Ctrl-C."""
    with published(aws):
        with contextlib.suppress(KeyboardInterrupt), _alone_in_foreground():
            for line in _usage(aws, outputs):
                console.print(line, soft_wrap=True, markup=False)
            _wait_while_parent_runs(parent)
        console.print("\nStopping …")


def _wait_while_parent_runs(parent: int) -> None:
    """Return when the process that started this one, such as make, has ended; under nohup, never."""
    while os.getppid() == parent or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        time.sleep(0.5)  # until the next look


@contextlib.contextmanager
def _alone_in_foreground() -> Iterator[None]:
    """Take the terminal from make, which would exit with an error on Ctrl-C, though this command does not."""
    group, terminal = os.getpgrp(), sys.stdin.fileno() if sys.stdin.isatty() else -1
    if group == os.getpid() or terminal < 0 or os.tcgetpgrp(terminal) != group:
        yield
        return
    # Changing the foreground group from the background stops a process; and make would not notice a stop by Ctrl-Z.
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGTTOU, signal.SIGTSTP)}
    os.setpgid(0, 0)
    os.tcsetpgrp(terminal, os.getpgrp())
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # make, and so its group, may have been killed
            os.tcsetpgrp(terminal, group)
            os.setpgid(0, group)
        for number, handler in before.items():
            signal.signal(number, handler)


def _usage(aws: LocalAws, outputs: dict[str, str]) -> Iterator[str]:
    """The commands to use on a local stack, each on one line so that it can be copied."""
    yield "\nThe stack keeps running until Ctrl-C. In another terminal:\n"
    sample = next(name for name in samples() if _known()[name].table_variable in table_variables(outputs))
    for command in (
        f"show {COURSE}",
        f"list enrollments --course {COURSE}",
        f"show User#{PERSON} activity",
        "rejected list",
        "doctor",
        f"send events/samples/{sample}.json",
    ):
        yield f"  {_COMMAND} {command} --local"
    for command in ("run --redeploy", "dashboard"):
        yield f"  {_COMMAND} {command}"
    yield "\nor with the AWS CLI:\n"
    for name, value in aws.environment().items():
        yield f"  export {name}={value}"
    some_table, *_ = table_variables(outputs).values()
    for name in (some_table, outputs["RejectedTableName"]):
        yield f"  aws dynamodb scan --table-name {name}"
    # Version 1 of the AWS CLI does not have the shorter `aws logs tail`.
    logs = f"aws logs filter-log-events --log-group-name /aws/lambda/{STACK}/sqs --query 'events[].message'"
    yield f"  {logs} --output text"


def _event_type(text: str) -> str:
    try:
        event = json.loads(text)
        name = event.get("metadata", event.get("attributes", {})).get("event_name")
    except ValueError:
        return UNKNOWN_TYPE_LABEL
    return name if name in _known() else UNKNOWN_TYPE_LABEL


def _event_time(text: str) -> str:
    return str(json.loads(text)["metadata"]["event_time"])


def _in_another_course(text: str) -> str:
    event = json.loads(text)
    event["body"] = {name: _other_id(name, value) for name, value in event["body"].items()}
    metadata = event["metadata"]
    if "context_id" in metadata:
        # Also another person, or one activity would be stored under two people and look like a duplicate.
        metadata |= {name: _other_id(name, metadata[name]) for name in ("user_id", "context_id") if name in metadata}
    return json.dumps(event)


def _other_id(name: str, value: Any) -> Any:
    return str(int(value) + 1000) if name.endswith("_id") and str(value).isdigit() else value


def _changed(text: str, event_time: str, **fields: Any) -> str:
    event = json.loads(text)
    event["metadata"]["event_time"] = event_time
    event["body"] |= fields
    return json.dumps(event)
