"""The whole system at work on this machine: the template deployed, sample events in, an account out."""

import itertools
import json
import signal
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from cli.catalogue.model import EventTypeDefinition, load
from cli.catalogue.samples import as_self_hosted, rejected_samples, samples
from cli.local import dashboard
from cli.local.function_logs import FATES, complete_logs, settle
from cli.local.invocation import scan, table_variables
from cli.local.ministack import STACK, LocalAws, deploy, kept, ministack
from cli.stack.hierarchy import Nesting, tail
from cli.stack.stack import family
from cli.ui import arguments, render
from handlers.telemetry.logs_and_metrics import UNKNOWN_TYPE_LABEL

COURSE, PERSON = "2041", "8123"
PARAMETERS = {"KinesisStream": "create", "DeletionProtection": "false", "MaximumBatchingWindowInSeconds": "1"}


@dataclass(frozen=True)
class Sent:
    """A record that is sent: the way it goes, and its text."""

    way: str
    text: str


def run(families: str | None = None, *, keep: bool) -> int:
    """The command: 0 when every record that was sent is accounted for, 1 otherwise.

    ``families`` is the parameter Families. Raises ``CommandError`` where it names one that is not there.
    """
    chosen = arguments.choice(families)
    console = Console()
    with ministack() as aws:
        with console.status("Deploying template.yaml into MiniStack …"):
            outputs = deploy(aws, PARAMETERS | chosen)
        console.print(f"Deployed the stack [bold]{STACK}[/bold] at {aws.endpoint}.\n")
        sent = list(what_to_send())
        with complete_logs(aws):
            account = _send_and_wait(aws, outputs, sent, console)
        tables = table_variables(outputs)
        items = {variable: scan(aws, table) for variable, table in tables.items()}
        rejected = items.pop("REJECTED_TABLE")
        console.print(_account_table(sent, account))
        held = [item for family in items.values() for item in family]
        for context in (f"Course#{COURSE}", f"User#{PERSON}"):
            if any(tail(item["context"]) == context for item in held):
                console.print("", render.contents(context, held, Nesting(_known())), sep="\n")
        console.print("\nWhat was rejected, and why")
        console.print(render.rejections(rejected))
        problems = list(_problems(aws, outputs, sent, account, len(rejected)))
        for problem in problems:
            console.print(f"[bold red]{problem}[/bold red]")
        if not problems:
            ends = "stored, superseded or rejected"
            if any(fates["ignored"] for fates in account.values()):
                ends = "stored, superseded, rejected, or ignored with its family"
            console.print(f"[bold green]The account adds up:[/bold green] each record was {ends}.")
        dashboard.snapshot(aws)
        console.print("\nSame numbers as a dashboard: [bold]make dashboard[/bold]")
        _say_how_to_look_around(console, aws, outputs, keep=keep)
    return 1 if problems else 0


@cache
def _known() -> dict[str, EventTypeDefinition]:
    """The event types by name, read once: every record is looked up."""
    return load()


def what_to_send() -> Iterator[Sent]:
    """Events as Canvas could send them, with what a stream does to them.

    The samples newest first, so that half of them come late; some of them twice; those of another course through
    the stream, as a Canvas of one's own sends them; a deletion, and after it a late event of what was deleted;
    and what must be refused.
    """
    good = samples()
    newest_first = sorted(good.values(), key=_event_time, reverse=True)
    yield from (Sent("queue", text) for text in newest_first)
    yield from (Sent("queue", text) for text in newest_first[:5])
    yield from (Sent("stream", as_self_hosted(_in_another_course(text))) for text in good.values())
    yield from (Sent("stream", as_self_hosted(text)) for text in newest_first[:3])
    yield Sent("queue", _changed(good["module_item_updated"], "2026-09-06T08:00:00Z", workflow_state="deleted"))
    yield Sent("queue", _changed(good["module_item_created"], "2026-09-05T08:00:00Z", position=3))
    yield from (Sent("queue", text) for text in rejected_samples().values())
    yield from (Sent("stream", text) for text in rejected_samples().values())


def _send_and_wait(
    aws: LocalAws, outputs: dict[str, str], sent: list[Sent], console: Console
) -> dict[str, Counter[str]]:
    with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=console) as progress:
        sending = progress.add_task("sent", total=len(sent))
        settled = progress.add_task("accounted for", total=len(sent))
        for record in sent:
            _send(aws, outputs, record)
            progress.advance(sending)
        return settle(aws, outputs["QueueUrl"], len(sent), lambda count: progress.update(settled, completed=count))


def _send(aws: LocalAws, outputs: dict[str, str], record: Sent) -> None:
    if record.way == "queue":
        aws.client("sqs").send_message(QueueUrl=outputs["QueueUrl"], MessageBody=record.text)
    else:
        aws.client("kinesis").put_record(
            StreamName=outputs["StreamName"], PartitionKey=str(hash(record.text)), Data=record.text.encode()
        )


def _account_table(sent: list[Sent], account: dict[str, Counter[str]]) -> Table:
    """The fates by family; the log has them by event type."""
    table = Table(title="\nWhat became of the records", title_justify="left")
    table.add_column("family", no_wrap=True)
    for name in ("event types", "sent", *FATES):
        table.add_column(name, justify="right")
    counts = Counter(_event_type(record.text) for record in sent)
    event_types: dict[str, list[str]] = {}
    for event_type in sorted(counts.keys() | account.keys()):
        known = _known().get(event_type)
        event_types.setdefault(family(known.table_variable) if known else UNKNOWN_TYPE_LABEL, []).append(event_type)

    def add(name: str, those: list[str]) -> None:
        fates = sum((account.get(each, Counter()) for each in those), Counter[str]())
        known = sum(each != UNKNOWN_TYPE_LABEL for each in those)
        numbers = (known, sum(counts[each] for each in those), *(fates[fate] for fate in FATES))
        table.add_row(name, *(str(number or "·") for number in numbers))

    for name, those in sorted(event_types.items()):
        add(name, those)
    table.add_section()
    add("all", list(itertools.chain.from_iterable(event_types.values())))
    return table


def _problems(
    aws: LocalAws, outputs: dict[str, str], sent: list[Sent], account: dict[str, Counter[str]], rejected: int
) -> Iterator[str]:
    for event_type, count in Counter(_event_type(record.text) for record in sent).items():
        accounted = sum(account.get(event_type, Counter[str]())[fate] for fate in FATES)
        if accounted != count:
            yield f"{event_type}: {count} were sent, and {accounted} are accounted for."
    tables = table_variables(outputs)
    to_be_refused = sum(record.text in rejected_samples().values() and _is_kept(record.text, tables) for record in sent)
    if rejected != to_be_refused:
        yield f"{to_be_refused} records were to be rejected, and {rejected} are in the table of rejected events."
    dead = aws.client("sqs").get_queue_attributes(
        QueueUrl=outputs["DeadLetterQueueUrl"], AttributeNames=["ApproximateNumberOfMessages"]
    )["Attributes"]["ApproximateNumberOfMessages"]
    if dead != "0":
        yield f"{dead} messages are in the dead-letter queue."


def _is_kept(text: str, tables: Mapping[str, str]) -> bool:
    """Whether no choice of families leaves it out: one of a family without a table is ignored, however wrong it is."""
    known = _known().get(_event_type(text))
    return known is None or known.table_variable in tables


def _say_how_to_look_around(console: Console, aws: LocalAws, outputs: dict[str, str], *, keep: bool) -> None:
    if not keep:
        console.print("\nTo look around in it: [bold]make run KEEP=1[/bold] leaves it up. One event at a time:")
        console.print("[bold].venv/bin/canvas-events invoke events/sqs/assignment_updated.json[/bold]")
        return
    with kept(aws):
        console.print("\nIt stays up until Ctrl-C. In another terminal:\n")
        sample = next(name for name in samples() if _known()[name].table_variable in table_variables(outputs))
        for command in (
            f"show {COURSE}",
            f"show User#{PERSON} activity",
            "rejected list",
            "doctor",
            f"send events/samples/{sample}.json",
        ):
            console.print(f"  .venv/bin/canvas-events {command} --local", highlight=False, soft_wrap=True)
        for command in ("run --redeploy", "dashboard"):
            console.print(f"  .venv/bin/canvas-events {command}", highlight=False, soft_wrap=True)
        console.print("\nor with the AWS CLI:\n")
        for name, value in aws.environment().items():
            console.print(f"  export {name}={value}", highlight=False, soft_wrap=True)
        some_table, *_ = table_variables(outputs).values()
        for name in (some_table, outputs["RejectedTableName"]):
            console.print(f"  aws dynamodb scan --table-name {name}", highlight=False, soft_wrap=True)
        # `aws logs tail` would be shorter; version 1 of the AWS CLI has none.
        logs = f"aws logs filter-log-events --log-group-name /aws/lambda/{STACK}/sqs --query 'events[].message'"
        console.print(f"  {logs} --output text", highlight=False, soft_wrap=True)
        signal.pause()


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
        # Of another person there, or what is kept once would look as if it were kept twice.
        metadata |= {name: _other_id(name, metadata[name]) for name in ("user_id", "context_id") if name in metadata}
    return json.dumps(event)


def _other_id(name: str, value: Any) -> Any:
    return str(int(value) + 1000) if name.endswith("_id") and str(value).isdigit() else value


def _changed(text: str, event_time: str, **fields: Any) -> str:
    event = json.loads(text)
    event["metadata"]["event_time"] = event_time
    event["body"] |= fields
    return json.dumps(event)
