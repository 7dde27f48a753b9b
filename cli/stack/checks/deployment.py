"""The deployment: did it go through, are its schemas those here, is somebody told when it is not well."""

import io
import re
import urllib.request
import zipfile
from pathlib import Path

from cli.stack.checks.finding import DEPLOY, Finding, Findings, State, judged
from cli.stack.checks.functions import configurations
from cli.stack.stack import Stack
from cli.ui.output import plural
from handlers.items.event_types import SCHEMAS_DIR


def status(stack: Stack) -> Findings:
    """Whether the last deployment went through."""
    if stack.status.endswith("_IN_PROGRESS"):
        yield Finding(State.WARNING, f"it is being changed: {stack.status}", "Look again when that is done.")
    elif stack.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"):
        yield Finding(State.OK, stack.status)
    elif stack.status == "UPDATE_ROLLBACK_COMPLETE":
        yield Finding(State.WARNING, "the last deployment failed and was undone", "See the stack's events for why.")
    else:
        yield Finding(State.FAULT, f"its state is {stack.status}", "See the stack's events for why, and deploy again.")


def alarms(stack: Stack) -> Findings:
    """Whether somebody is told when an alarm goes off, and whether one has."""
    topic = stack.of_kind("AWS::SNS::Topic").get("AlarmTopic")
    if topic is None:
        yield Finding(
            State.WARNING, "the stack has no topic for alarms", f"Nobody is told when it is not well. {DEPLOY}"
        )
        return
    pages = stack.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    subscriptions = [each for page in pages for each in page["Subscriptions"]]
    pending = [each for each in subscriptions if not each["SubscriptionArn"].startswith("arn:")]
    yield judged(
        len(subscriptions) > len(pending),
        f"alarms reach {plural(len(subscriptions) - len(pending), 'subscriber')}",
        "alarms reach nobody: no subscription of the topic is confirmed",
        "Deploy with the parameter AlarmEmail and confirm the e-mail from AWS, or subscribe to the topic.",
        State.WARNING,
    )
    if pending and len(subscriptions) > len(pending):
        yield Finding(
            State.WARNING, f"{plural(len(pending), 'subscription')} not confirmed", "Confirm the e-mail from AWS."
        )
    names = list(stack.of_kind("AWS::CloudWatch::Alarm").values())
    for start in range(0, len(names), 100):
        answer = stack.client("cloudwatch").describe_alarms(AlarmNames=names[start : start + 100])
        for alarm in answer.get("MetricAlarms", ()):
            if alarm.get("StateValue") == "ALARM":
                yield Finding(State.WARNING, f"the alarm {alarm['AlarmName']} is on", alarm.get("AlarmDescription", ""))


def package(stack: Stack) -> Findings:
    """Whether the deployed functions have the event types that are here."""
    functions = list(configurations(stack).values())
    if len({each.get("CodeSha256") for each in functions}) > 1:
        yield Finding(State.WARNING, "the functions have different code", DEPLOY)
    for function in functions[:1]:
        deployed = _schemas_in(_code_of(stack, function["FunctionName"]))
        here = {f"schemas/{path.name}": path.read_bytes() for path in _schema_files()}
        differing = sorted(key for key in here.keys() | deployed.keys() if here.get(key) != deployed.get(key))
        yield judged(
            not differing,
            f"the {len(deployed)} schemas that are deployed are those here",
            f"{plural(len(differing), 'schema')} deployed otherwise than here: {', '.join(differing[:10])}",
            "What is judged here may be judged otherwise there. Deploy what is here, or check out what is deployed.",
            State.WARNING,
        )


def _code_of(stack: Stack, function: str) -> bytes:
    """The zip file of a function, from where Lambda says that it is. Raises ``OSError`` when it is not there."""
    location = stack.client("lambda").get_function(FunctionName=function)["Code"]["Location"]
    if not location.startswith(("https://", "http://")):
        raise OSError("no address to download the code from")
    with urllib.request.urlopen(location, timeout=60) as answer:  # noqa: S310  # AWS's own, and http or https
        code: bytes = answer.read()
    return code


def _schema_files() -> list[Path]:
    return list(SCHEMAS_DIR.glob("*.json"))


def _schemas_in(code: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(code)) as archive:
            names = [name for name in archive.namelist() if re.fullmatch(r"schemas/[^/]+\.json", name)]
            return {name: archive.read(name) for name in names}
    except zipfile.BadZipFile as error:
        raise OSError("the code is no zip file") from error
