"""The queue that Canvas sends to, and the one for what fails."""

import json
import re
from collections.abc import Mapping
from itertools import chain
from typing import Any

from cli.stack.checks.finding import DEPLOY, Finding, Findings, State, judged
from cli.stack.stack import Stack

QUEUE_NAME = "canvas-live-events"  # what a queue's name must begin with: Instructure, "Data Services", SQS


def queue(stack: Stack) -> Findings:
    """Whether Canvas can send to the queue, and nobody else."""
    name = stack.queue_url.rpartition("/")[2]
    yield judged(
        name.startswith(QUEUE_NAME) and not name.endswith(".fifo"),
        f"{name}: a standard queue by a name that Canvas takes",
        f"Canvas does not send to {name}: the name must begin with {QUEUE_NAME}, and FIFO queues are refused",
        "Set the parameter QueueName, deploy, and give Canvas the new URL.",
    )
    attributes = attributes_of(stack, stack.queue_url)
    if attributes.get("KmsMasterKeyId"):
        yield Finding(
            State.WARNING,
            "the queue is encrypted with a KMS key",
            "Canvas can send only if that key's policy admits its account; or use SQS's own key.",
        )
    policy = json.loads(attributes.get("Policy") or "{}")
    yield from _senders(policy, stack.parameters.get("CanvasAccountId", ""))


def _senders(policy: Mapping[str, Any], canvas: str) -> Findings:
    allowed = [each for each in _listed(policy.get("Statement")) if each.get("Effect") == "Allow"]
    senders: set[str] = set()
    for statement in allowed:
        actions = {str(action).lower() for action in _listed(statement.get("Action"))}
        if actions & {"*", "sqs:*", "sqs:sendmessage"} or "NotAction" in statement:
            senders |= _principals(statement)
        if actions - {"sqs:sendmessage"}:
            more = f"the queue's policy allows more than sending: {', '.join(sorted(actions))}"
            yield Finding(State.WARNING, more, f"Sending is all that Canvas needs. {DEPLOY}")
    yield judged(
        canvas in senders,
        f"Canvas's account {canvas} may send",
        f"Canvas's account {canvas or '(not set)'} may not send to the queue",
        f"Its events are lost until it may. {DEPLOY}",
    )
    strangers = sorted(senders - {canvas})
    yield judged(
        not strangers,
        "nobody else may send, by the queue's policy",
        f"others may send too: {', '.join(strangers)}",
        f"Whoever sends can write into the tables. Take them out of the queue's policy. {DEPLOY}",
    )


def _principals(statement: Mapping[str, Any]) -> set[str]:
    """The accounts of a statement; for anything else, as ``*`` or a service, what it says."""
    principal = statement.get("Principal", "*" if "NotPrincipal" not in statement else "all but some")
    named = chain.from_iterable(map(_listed, principal.values())) if isinstance(principal, dict) else [principal]
    accounts = ((re.fullmatch(r"(?:arn:[^:]*:iam::)?(\d{12})(?::root)?", str(each)), str(each)) for each in named)
    return {match[1] if match else each for match, each in accounts}


def dead_letters(stack: Stack) -> Findings:
    """Whether what fails for good is kept, and for longer than in the queue itself."""
    source = attributes_of(stack, stack.queue_url)
    target = attributes_of(stack, stack.dead_letter_queue_url)
    redrive = json.loads(source.get("RedrivePolicy") or "{}")
    yield judged(
        redrive.get("deadLetterTargetArn") == target.get("QueueArn"),
        "messages that fail for good go to the dead-letter queue",
        "the queue has another dead-letter queue than the stack's, or none",
        f"Messages that fail would be lost. {DEPLOY}",
    )
    receives = int(redrive.get("maxReceiveCount", 0))
    yield judged(
        receives >= 5,
        f"after {receives} receives",
        f"after {receives} receives already",
        f"Throttling alone can take five. {DEPLOY}",
        State.WARNING,
    )
    days = [int(each.get("MessageRetentionPeriod", 0)) / 86_400 for each in (source, target)]
    yield judged(
        days[1] > days[0],
        f"kept for {days[1]:g} days there, {days[0]:g} in the queue",
        f"kept for {days[1]:g} days there and {days[0]:g} in the queue",
        f"A message's age counts from when it entered the queue, so it would expire at once. {DEPLOY}",
    )


def _listed(value: Any) -> list[Any]:
    """A policy may say one value or a list of them."""
    return [] if value is None else value if isinstance(value, list) else [value]


def attributes_of(stack: Stack, url: str) -> Mapping[str, str]:
    """What SQS says of a queue."""
    attributes: Mapping[str, str] = stack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])[
        "Attributes"
    ]
    return attributes
