"""The deployment: whether it succeeded, whether its schemas are current, and whether alarms reach anyone."""

import io
import re
import urllib.request
import zipfile
from pathlib import Path

from cli.stack.checks.finding import DEPLOY, Finding, Findings, State, expect
from cli.stack.checks.functions import configurations
from cli.stack.stack import Stack
from cli.ui.output import plural
from handlers.items.event_types import SCHEMAS_DIR


def status(stack: Stack) -> Findings:
    """Whether the last deployment succeeded."""
    if stack.status.endswith("_IN_PROGRESS"):
        yield Finding(
            State.WARNING, f"a deployment is in progress: {stack.status}", "Check again when it has finished."
        )
    elif stack.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"):
        yield Finding(State.OK, stack.status)
    elif stack.status == "UPDATE_ROLLBACK_COMPLETE":
        yield Finding(
            State.WARNING, "the last deployment failed and was rolled back", "See the stack's events for the reason."
        )
    else:
        yield Finding(
            State.ERROR, f"its status is {stack.status}", "See the stack's events for the reason, and deploy again."
        )


def alarms(stack: Stack) -> Findings:
    """Whether alarms reach a subscriber, and whether one is active."""
    topic = stack.of_kind("AWS::SNS::Topic").get("AlarmTopic")
    if topic is None:
        yield Finding(
            State.WARNING, "the stack has no topic for alarms", f"Nobody is notified when something fails. {DEPLOY}"
        )
        return
    pages = stack.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    subscriptions = [each for page in pages for each in page["Subscriptions"]]
    pending = [each for each in subscriptions if not each["SubscriptionArn"].startswith("arn:")]
    yield expect(
        len(subscriptions) > len(pending),
        f"alarms reach {plural(len(subscriptions) - len(pending), 'subscriber')}",
        "alarms reach nobody: the topic has no confirmed subscription",
        "Deploy with the parameter AlarmEmail and confirm the email from AWS, or subscribe to the topic.",
        State.WARNING,
    )
    if pending and len(subscriptions) > len(pending):
        yield Finding(
            State.WARNING, f"{plural(len(pending), 'subscription')} not confirmed", "Confirm the email from AWS."
        )
    names = list(stack.of_kind("AWS::CloudWatch::Alarm").values())
    for start in range(0, len(names), 100):
        response = stack.client("cloudwatch").describe_alarms(AlarmNames=names[start : start + 100])
        for alarm in response.get("MetricAlarms", ()):
            if alarm.get("StateValue") == "ALARM":
                yield Finding(
                    State.WARNING, f"the alarm {alarm['AlarmName']} is active", alarm.get("AlarmDescription", "")
                )


def package(stack: Stack) -> Findings:
    """Whether the deployed functions have the schemas of this checkout."""
    functions = list(configurations(stack).values())
    if len({each.get("CodeSha256") for each in functions}) > 1:
        yield Finding(State.WARNING, "the functions have different code", DEPLOY)
    for function in functions[:1]:
        deployed = _schemas_in(_code_of(stack, function["FunctionName"]))
        here = {f"schemas/{path.name}": path.read_bytes() for path in _schema_files()}
        differing = sorted(key for key in here.keys() | deployed.keys() if here.get(key) != deployed.get(key))
        yield expect(
            not differing,
            f"all {len(deployed)} deployed schemas match this checkout",
            f"{plural(len(differing), 'schema')} not as in this checkout: {', '.join(differing[:10])}",
            "The commands may evaluate an event differently from the functions. Deploy this checkout, or check out the"
            " deployed version.",
            State.WARNING,
        )


def _code_of(stack: Stack, function: str) -> bytes:
    """The zip file of a function, from the location that Lambda returns. Raises ``OSError`` when that fails."""
    location = stack.client("lambda").get_function(FunctionName=function)["Code"]["Location"]
    if not location.startswith(("https://", "http://")):
        raise OSError("Lambda returned no URL")
    with urllib.request.urlopen(location, timeout=60) as response:  # noqa: S310  # a URL from AWS, http or https
        code: bytes = response.read()
    return code


def _schema_files() -> list[Path]:
    return list(SCHEMAS_DIR.glob("*.json"))


def _schemas_in(code: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(code)) as archive:
            names = [name for name in archive.namelist() if re.fullmatch(r"schemas/[^/]+\.json", name)]
            return {name: archive.read(name) for name in names}
    except zipfile.BadZipFile as error:
        raise OSError("the package is not a zip file") from error
