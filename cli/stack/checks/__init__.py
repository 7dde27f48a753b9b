"""The checks of ``doctor``: each examines one part of the stack and yields findings with remedies."""

from collections.abc import Callable, Mapping

from cli.stack.checks import deployment, functions, queues, storage
from cli.stack.checks.finding import Findings
from cli.stack.stack import Stack

ALL: Mapping[str, Callable[[Stack], Findings]] = {
    "stack": deployment.status,
    "queue": queues.queue,
    "dead-letter queue": queues.dead_letters,
    "mappings": functions.mappings,
    "functions": functions.functions,
    "permissions": functions.permissions,
    "tables": storage.tables,
    "stream": storage.stream,
    "buckets": storage.buckets,
    "alarms": deployment.alarms,
    "package": deployment.package,
    "failed records": storage.failed_records,
}
