"""The alarms that watch both sources: the stream has a copy of each queue alarm whose name ends in "(queue)"."""

import re
import textwrap
from collections.abc import Iterable, Mapping

from cli.errors import CommandError

_QUEUE_ALARM = re.compile(
    r"^  (Queue\w+Alarm):\n(?:    .*\n)*?      AlarmName: .* \(queue\)\"\n(?:    .*\n)+", re.MULTILINE
)

# What a copy has instead.
_REPLACEMENTS = {
    "  Type: AWS::CloudWatch::Alarm\n": "  Type: AWS::CloudWatch::Alarm\n  Condition: ReadStream\n",
    " (queue)": " (stream)",
    "Value: sqs}": "Value: kinesis}",
    "!Ref SqsFunction}": "!Ref KinesisFunction}",
}

_ARN_WIDTH = 106


def stream_alarms(template: str) -> dict[str, str]:
    """The resource of each copy, by its logical id.

    Raises ``CommandError`` for a queue alarm that names the queue where the stream would have nothing to put instead.
    """
    copies = (_copy(found[1], textwrap.dedent(found[0])) for found in _QUEUE_ALARM.finditer(template))
    return {copy.partition(":")[0]: copy for copy in copies}


def dashboard(alarms: Mapping[str, str]) -> str:
    """The ARNs of the alarms of either source, as variables of the dashboard; they continue a list of ARNs."""
    stream = "\n".join(f"    {line}" for line in _arns(alarms))
    queue = "\n".join(f"  {line}" for line in _arns(name.replace("Stream", "Queue", 1) for name in alarms))
    return f'QueueAlarms: !Sub >-\n{queue}\nStreamAlarms: !If\n  - ReadStream\n  - !Sub >-\n{stream}\n  - ""\n'


def _copy(name: str, alarm: str) -> str:
    copy = alarm.replace(f"{name}:", f"{name.replace('Queue', 'Stream', 1)}:", 1)
    for of_queue, of_stream in _REPLACEMENTS.items():
        copy = copy.replace(of_queue, of_stream)
    if re.search("queue|sqs", copy, re.IGNORECASE):
        raise CommandError(
            f"template.yaml: {name} names the queue, and so would its copy for the stream. Change that, or give it an"
            ' AlarmName that does not end in "(queue)".'
        )
    return copy


def _arns(names: Iterable[str]) -> list[str]:
    return textwrap.wrap(", " + ", ".join(f'"${{{name}.Arn}}"' for name in names), _ARN_WIDTH)
