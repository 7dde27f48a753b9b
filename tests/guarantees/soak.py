"""End to end: the template in MiniStack, thousands of events in random order, and DynamoDB behind a faulty proxy.

The archive is on. At the end it must have every record, and fill empty tables as they were.

python -m tests.guarantees.soak --events 5000 --seed 7
"""

import argparse
import gzip
import json
import random
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from cli.catalogue.samples import as_self_hosted, rejected_samples
from cli.local.function_logs import logged_outcomes
from cli.local.invocation import scan, table_variables
from cli.local.local_run import PARAMETERS
from cli.local.ministack import LocalAws, deploy, ministack
from tests.guarantees.model import differences, newest
from tests.guarantees.proxy import Proxy, proxy_to
from tests.guarantees.replay import missing_lines, replay_differences
from tests.guarantees.shard import Mapping, Shard, stream
from tests.support.engines import SAMPLES

EXAMPLES = """\
examples:
  python -m tests.guarantees.soak                            three thousand events, seed 1
  python -m tests.guarantees.soak --events 20000 --seed 7    more events, and other ones
"""
ENTITIES_PER_TYPE = 40
SECONDS_TO_SETTLE = 300

# The faults of requests to DynamoDB, each with its share of the requests.
FAULTS: list[dict[str, Any]] = [
    {"sequence": {"fail": 25, "pass": 150}, "error": {"code": "ServiceUnavailable", "status": 503}},  # outages
    {"probability": 0.05, "error": {"code": "ThrottlingException"}},
    {"probability": 0.03, "error": {"code": "InternalServerError", "status": 500}},
    {"probability": 0.02, "error": {"code": "ProvisionedThroughputExceededException"}},
    {"probability": 0.02, "reset": True},
    {"probability": 0.02, "response": {"abort_frac": 0.3}},  # after the write took place
    {"probability": 0.01, "latency": {"min": 2_500, "max": 3_500}},  # longer than the client waits
    {"probability": 0.10, "latency": {"min": 5, "max": 50}},
]


@dataclass(frozen=True)
class Plan:
    """What to send: the valid events, the records to be rejected, and every delivery of either."""

    good: list[str]
    bad: list[str]
    to_queue: list[str]
    to_stream: list[str]


def main() -> int:
    """Run from the command line; return 0 if every record is accounted for."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.guarantees.soak",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--events", type=int, default=3_000, help="how many events (default 3000)")
    parser.add_argument("--seed", type=int, default=1, help="which events and which order (default 1)")
    options = parser.parse_args()
    return run(options.events, options.seed, Console())


def run(events: int, seed: int, console: Console) -> int:
    """Send the events, wait until they are processed, print the summary; return 0 if everything is right."""
    plan = make_plan(events, random.Random(seed))  # noqa: S311  # events that can be repeated
    with ministack() as aws, proxy_to(aws.endpoint) as proxy:
        outputs = deploy(aws, PARAMETERS | {"MaximumConcurrency": "4"})
        _send_dynamodb_through(aws, proxy.endpoint)
        # Redelivery after seconds instead of minutes; the functions here take no longer.
        aws.client("sqs").set_queue_attributes(QueueUrl=outputs["QueueUrl"], Attributes={"VisibilityTimeout": "10"})
        problems = _send_and_settle(aws, outputs, plan, proxy, console)
        problems += missing_lines(aws, outputs["Bucket"], plan.good, plan.bad)
        console.print(_summary_table(aws, outputs, plan, proxy))
        proxy.clear()
        with console.status("Replaying the archive into empty tables …"):
            problems += replay_differences(aws, outputs)
    for problem in problems[:20]:
        console.print(f"[bold red]{problem}[/bold red]", highlight=False, soft_wrap=True)
    if not problems:
        console.print("[bold green]Every event is accounted for, and the tables are correct.[/bold green]")
        console.print("[bold green]Every record is in the archive, whose replay gives the same tables.[/bold green]")
    return 1 if problems else 0


def make_plan(events: int, chance: random.Random) -> Plan:
    """Plan the deliveries: a twentieth of the records is invalid, and a fifth is delivered twice."""
    good = [_event(chance) for _ in range(events - events // 20)]
    bad = [_invalid_record(chance, number) for number in range(events // 20)]
    everything = good + bad
    deliveries = everything + chance.sample(everything, events // 5)
    chance.shuffle(deliveries)
    half = len(deliveries) // 2
    events_of_canvas = set(good)
    to_stream = [as_self_hosted(text) if text in events_of_canvas else text for text in deliveries[half:]]
    return Plan(good, bad, deliveries[:half], to_stream)


def _event(chance: random.Random) -> str:
    name = chance.choice(sorted(SAMPLES))
    event = json.loads(SAMPLES[name])
    moment = datetime(2026, 9, 1, tzinfo=UTC) + timedelta(milliseconds=chance.randrange(10**9))
    event["metadata"]["event_time"] = moment.isoformat(timespec="milliseconds")
    number = str(chance.randrange(1, ENTITIES_PER_TYPE))
    for field in event["body"]:
        # An entity never changes its context: here both have the same number.
        if field.endswith("_id") and not field.startswith("lti_"):
            event["body"][field] = number
    event["body"]["a_field_of_tomorrow"] = chance.random()
    if "workflow_state" in event["body"]:
        event["body"]["workflow_state"] = chance.choice(["active", "unpublished", "deleted"])
    return json.dumps(event)


def _invalid_record(chance: random.Random, number: int) -> str:
    """Return an invalid record that differs from all others."""
    return chance.choice(sorted(rejected_samples().values())) + " " * number


def _send_and_settle(aws: LocalAws, outputs: dict[str, str], plan: Plan, proxy: Proxy, console: Console) -> list[str]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        sending = progress.add_task("deliveries sent", total=len(plan.to_queue) + len(plan.to_stream))
        settled = progress.add_task("events in the tables", total=len(newest(plan.good)) + len(set(plan.bad)))
        proxy.inject(*FAULTS)
        with ThreadPoolExecutor(8) as pool:
            shards = [pool.submit(_read, shard) for shard in _shards(aws, plan)]
            sqs = aws.client("sqs")
            for _ in pool.map(
                lambda text: sqs.send_message(QueueUrl=outputs["QueueUrl"], MessageBody=text), plan.to_queue
            ):
                progress.advance(sending)
            for shard in shards:
                progress.advance(sending, shard.result())
        until = time.monotonic() + SECONDS_TO_SETTLE
        while True:
            stored_items, rejected = _stored_items(aws, outputs)
            progress.update(settled, completed=sum(map(len, stored_items.values())) + len(rejected))
            if _count(aws, outputs["QueueUrl"]) == 0:
                _redrive(aws, outputs)
                problems = differences(plan.good, stored_items) + _missing_rejections(plan, rejected)
                if not problems or time.monotonic() > until:
                    return problems
            elif time.monotonic() > until:
                return [f"{_count(aws, outputs['QueueUrl'])} messages are still in the queue"]
            time.sleep(1)  # until the next look


def _shards(aws: LocalAws, plan: Plan) -> list[Shard]:
    """Deliver two shards to the Kinesis function, as Lambda does.

    MiniStack 1.5 polls streams itself, but ignores the batch item failures in the response.
    """
    lambda_ = aws.client("lambda")
    functions = lambda_.list_functions()["Functions"]
    (name,) = [function["FunctionName"] for function in functions if function["Handler"] == "handlers.kinesis.handler"]

    def invoke(event: dict[str, Any]) -> Any:
        return json.load(lambda_.invoke(FunctionName=name, Payload=json.dumps(event))["Payload"])

    mapping = Mapping(batch_size=100, max_retries=100)
    texts = [text.encode() for text in plan.to_stream]
    return [Shard(stream(texts[number::2], number), mapping, invoke) for number in (0, 1)]


def _read(shard: Shard) -> int:
    """Read a shard to its end; return the number of acknowledged records."""
    acknowledged = 0
    while not shard.is_read:
        acknowledged += len(shard.step())
    return acknowledged


def _stored_items(
    aws: LocalAws, outputs: dict[str, str]
) -> tuple[dict[str, list[dict[str, Any]]], list[dict[str, Any]]]:
    """Return the items of the entity tables, by the model's table names, and those of the rejected table."""
    tables = table_variables(outputs)
    stored_items = {name.removesuffix("_TABLE").lower(): scan(aws, table) for name, table in tables.items()}
    return stored_items, stored_items.pop("rejected")


def _missing_rejections(plan: Plan, rejected: list[dict[str, Any]]) -> list[str]:
    stored = {gzip.decompress(bytes(item["payload"])).decode() for item in rejected}
    expected = {_redacted(text) for text in plan.bad}
    lost = [f"a bad record is in no table: {text[:60]} …" for text in expected - stored]
    return lost + [f"a good record was rejected: {text[:60]} …" for text in stored - expected]


def _redacted(text: str) -> str:
    return text.replace("1015~notarealtoken", "REDACTED")


def _count(aws: LocalAws, queue_url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = aws.client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
    return sum(int(attributes[name]) for name in names)


def _redrive(aws: LocalAws, outputs: dict[str, str]) -> None:
    """Move the messages of the dead-letter queue back to the queue."""
    sqs, dead_letters = aws.client("sqs"), outputs["DeadLetterQueueUrl"]
    while messages := sqs.receive_message(QueueUrl=dead_letters, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            sqs.send_message(QueueUrl=outputs["QueueUrl"], MessageBody=message["Body"])
            sqs.delete_message(QueueUrl=dead_letters, ReceiptHandle=message["ReceiptHandle"])


def _send_dynamodb_through(aws: LocalAws, endpoint: str) -> None:
    lambda_ = aws.client("lambda")
    for function in lambda_.list_functions()["Functions"]:
        variables = function["Environment"]["Variables"] | {"AWS_ENDPOINT_URL_DYNAMODB": endpoint}
        lambda_.update_function_configuration(
            FunctionName=function["FunctionName"], Environment={"Variables": variables}
        )


def _summary_table(aws: LocalAws, outputs: dict[str, str], plan: Plan, proxy: Proxy) -> Table:
    stored_items, rejected = _stored_items(aws, outputs)
    fates = sum(logged_outcomes(aws).values(), Counter[str]())
    requests = proxy.statistics()["requests"]
    table = Table("count", title="\nEvents, records, requests", title_justify="left")
    table.add_column("number", justify="right")
    for name, number in {
        "events, all different": len(plan.good) + len(plan.bad),
        "deliveries of them": len(plan.to_queue) + len(plan.to_stream),
        "entities in them": len(newest(plan.good)),
        "items in the entity tables": sum(map(len, stored_items.values())),
        "bad records": len(set(plan.bad)),
        "items in the rejected table": len(rejected),
        "messages in the dead-letter queue": _count(aws, outputs["DeadLetterQueueUrl"]),
        **{f"fates: {fate}": fates[fate] for fate in ("stored", "superseded", "rejected", "ignored", "retried")},
        "requests to DynamoDB": requests["total"],
        "requests with a fault": requests["faulted"],
    }.items():
        table.add_row(name, f"{number:,}")
    return table


if __name__ == "__main__":
    sys.exit(main())
