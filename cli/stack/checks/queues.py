"""The queue that Canvas sends to, and its dead-letter queue."""

import json
import re
from collections.abc import Mapping
from itertools import chain
from typing import Any

from cli.stack.checks.finding import DEPLOY, Finding, Findings, State, expect
from cli.stack.stack import Stack

QUEUE_NAME = "canvas-live-events"  # the prefix that Canvas requires: Instructure, "Data Services", SQS


def queue(stack: Stack) -> Findings:
    """Whether Canvas, and nobody else, can send to the queue."""
    name = stack.queue_url.rpartition("/")[2]
    yield expect(
        name.startswith(QUEUE_NAME) and not name.endswith(".fifo"),
        f"{name}: a standard queue with a name that Canvas accepts",
        f"Canvas does not send to {name}: the name must begin with {QUEUE_NAME}, and the queue must not be FIFO",
        "Set the parameter QueueName, deploy, and give Canvas the new URL.",
    )
    attributes = attributes_of(stack, stack.queue_url)
    if attributes.get("KmsMasterKeyId"):
        yield Finding(
            State.WARNING,
            "the queue is encrypted with a KMS key",
            "Canvas can send only if the key's policy allows its account. Otherwise use SQS-managed encryption.",
        )
    policy = json.loads(attributes.get("Policy") or "{}")
    user = stack.parameters.get("CanvasUserArn", "")
    yield from _senders(policy, user or stack.parameters.get("CanvasAccountId", ""))
    if not user:
        yield expect(
            bool(stack.parameters.get("AllowedRootAccounts")),
            "only events of your root accounts are accepted",
            "events of every institution are accepted: the parameter AllowedRootAccounts is empty",
            "Instructure sends for all its customers from one AWS account. Set AllowedRootAccounts, or CanvasUserArn:"
            " docs/threats.md#who-may-send.",
            State.WARNING,
        )


def _senders(policy: Mapping[str, Any], canvas: str) -> Findings:
    """Whether the policy lets ``canvas``, an AWS account or the ARN of an IAM user, send, and nobody else."""
    allowed = [statement for statement in _listed(policy.get("Statement")) if statement.get("Effect") == "Allow"]
    senders: set[str] = set()
    for statement in allowed:
        actions = {str(action).lower() for action in _listed(statement.get("Action"))}
        if actions & {"*", "sqs:*", "sqs:sendmessage"} or "NotAction" in statement:
            senders |= _principals(statement)
        if actions - {"sqs:sendmessage"}:
            text = f"the queue's policy allows more than sending: {', '.join(sorted(actions))}"
            yield Finding(State.WARNING, text, f"Canvas only needs to send. {DEPLOY}")
    yield expect(
        canvas in senders,
        f"Canvas, as {canvas}, may send",
        f"Canvas, as {canvas or '(not set)'}, may not send to the queue",
        f"Its events are lost until it is allowed to. {DEPLOY}",
    )
    others = sorted(senders - {canvas})
    yield expect(
        not others,
        "the queue's policy allows nobody else to send",
        f"other accounts may send too: {', '.join(others)}",
        f"Anyone who can send can write to the tables. Remove them from the queue's policy. {DEPLOY}",
    )


def _principals(statement: Mapping[str, Any]) -> set[str]:
    """The accounts of a statement; any other principal, such as ``*`` or a service, unchanged."""
    principal = statement.get("Principal", "*" if "NotPrincipal" not in statement else "all but some")
    names = chain.from_iterable(map(_listed, principal.values())) if isinstance(principal, dict) else [principal]
    accounts = ((re.fullmatch(r"(?:arn:[^:]*:iam::)?(\d{12})(?::root)?", str(each)), str(each)) for each in names)
    return {match[1] if match else each for match, each in accounts}


def dead_letters(stack: Stack) -> Findings:
    """Whether messages that exhaust their receives are kept, and for longer than in the queue."""
    source = attributes_of(stack, stack.queue_url)
    target = attributes_of(stack, stack.dead_letter_queue_url)
    redrive = json.loads(source.get("RedrivePolicy") or "{}")
    yield expect(
        redrive.get("deadLetterTargetArn") == target.get("QueueArn"),
        "messages that exhaust their receives go to the dead-letter queue",
        "the queue has no dead-letter queue, or one outside the stack",
        f"Messages that fail would be lost. {DEPLOY}",
    )
    receives = int(redrive.get("maxReceiveCount", 0))
    yield expect(
        receives >= 5,
        f"they go there after {receives} receives",
        f"they go there after only {receives} receives",
        f"Throttling alone can cause five. {DEPLOY}",
        State.WARNING,
    )
    days = [int(each.get("MessageRetentionPeriod", 0)) / 86_400 for each in (source, target)]
    yield expect(
        days[1] > days[0],
        f"the dead-letter queue keeps messages for {days[1]:g} days, the queue for {days[0]:g}",
        f"the dead-letter queue keeps messages for only {days[1]:g} days, the queue for {days[0]:g}",
        f"A message's age counts from when it was first enqueued, so it would soon expire. {DEPLOY}",
    )


def _listed(value: Any) -> list[Any]:
    """The values of a policy element, which may be one value or a list."""
    return [] if value is None else value if isinstance(value, list) else [value]


def attributes_of(stack: Stack, url: str) -> Mapping[str, str]:
    """All attributes of a queue."""
    attributes: Mapping[str, str] = stack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])[
        "Attributes"
    ]
    return attributes
