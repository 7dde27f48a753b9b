"""What a replay would process, and at most cost: counted in a sample of its objects, and scaled to all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cli.errors import CommandError
from cli.replay.archived_objects import ArchivedObject
from cli.replay.run import Run
from cli.stack.stack import Stack
from handlers.archive.bucket import Bucket, BucketError
from handlers.archive.erased import read_erased_people
from handlers.archive.errors import ObjectError
from handlers.archive.line import LineError, parse_line
from handlers.archive.message import ObjectMessage
from handlers.archive.reader import read_lines
from handlers.archive.selection import Selection
from handlers.intake.decode import decode
from handlers.intake.record import Record
from handlers.items.event_types import EventType
from handlers.outcome import Rejection

SAMPLE_SIZE = 20  # objects: a second or two to read

SOURCES = (
    "List prices of us-east-1, without free tiers: aws.amazon.com/sqs/pricing, /s3/pricing, /lambda/pricing,"
    " /dynamodb/pricing/on-demand."
    " Lambda's time, 50 ms an object and 0.5 ms a line, is an assumption (docs/speed.md)."
    " At most: entities are counted as if each had to be tried twice."
)

_BYTES_PER_UNIT = 1024  # of DynamoDB's write units
_X86, _ARM = 0.0000166667, 0.0000133334  # of a GB-second


@dataclass
class Sample:
    """What was counted in some objects: of ``selected`` lines, the write units by class of their tables."""

    objects: int = 0
    bytes: int = 0
    lines: int = 0
    selected: int = 0
    entity_units: int = 0
    activity_units: int = 0


@dataclass(frozen=True)
class Cost:
    """A part of the bill: what for, in figures, and in dollars."""

    item: str
    arithmetic: str
    usd: float


@dataclass(frozen=True)
class Estimate:
    """What a replay would process and cost; ``is_exact`` where all of its objects were counted."""

    objects: int
    bytes: int
    lines: int
    selected: int
    is_exact: bool
    costs: tuple[Cost, ...]

    @property
    def usd(self) -> float:
        """The sum of the costs."""
        return sum(cost.usd for cost in self.costs)


def estimate(stack: Stack, bucket: str, run: Run, objects: Sequence[ArchivedObject]) -> Estimate:
    """Estimate a replay of objects. Raises ``CommandError`` naming an object of the sample that cannot be read."""
    size = min(len(objects), SAMPLE_SIZE)
    sample = _count(stack, bucket, run, [objects[len(objects) * number // size] for number in range(size)])
    total_bytes = sum(archived.size for archived in objects)
    scale = total_bytes / sample.bytes if sample.bytes else 1
    lines, selected = round(sample.lines * scale), round(sample.selected * scale)
    costs = _costs(
        stack.parameters, len(objects), lines, round(sample.entity_units * scale), round(sample.activity_units * scale)
    )
    return Estimate(len(objects), total_bytes, lines, selected, sample.objects == len(objects), costs)


def _count(stack: Stack, bucket: str, run: Run, objects: Sequence[ArchivedObject]) -> Sample:
    sample = Sample()
    store = Bucket(stack.client("s3"), bucket)
    try:
        erased = read_erased_people(store)
    except (BucketError, ValueError) as error:
        raise CommandError(f"the list of erased people cannot be read: {error}") from None
    for archived in objects:
        message = ObjectMessage(archived.key, run.id, _as_set(run.families), _as_set(run.types))
        selection = Selection(message, stack.catalogue, erased)
        try:
            records = (parse_line(line, "").record for line in read_lines(store.open(archived.key)))
            for record in selection.choose(records):
                sample.selected += 1
                _add_units(sample, stack, record)
        except (ObjectError, LineError, BucketError) as error:
            raise CommandError(f"{archived.key} cannot be read: {error}") from None
        sample.objects += 1
        sample.bytes += archived.size
        sample.lines += selection.skipped
    sample.lines += sample.selected
    return sample


def _add_units(sample: Sample, stack: Stack, record: Record) -> None:
    event_type = _event_type(stack, record)
    if event_type is None:
        sample.entity_units += 1  # of the table of rejected events
    elif event_type.table_variable in stack.entity_tables:
        units = -(-len(record.data) // _BYTES_PER_UNIT)
        if event_type.table_variable in stack.append_only_tables:
            sample.activity_units += units
        else:
            sample.entity_units += 2 * units


def _event_type(stack: Stack, record: Record) -> EventType | None:
    try:
        return stack.catalogue.get(decode(record.data).name)
    except Rejection:
        return None


def _costs(
    parameters: Mapping[str, str], objects: int, lines: int, entity_units: int, activity_units: int
) -> tuple[Cost, ...]:
    gigabytes = int(parameters.get("MemorySize", "1024")) / 1024
    price = _ARM if parameters.get("Architecture") == "arm64" else _X86
    return (
        Cost(
            "SQS: sends of ten, receives, deletes",
            f"{objects:,} × (0.1 + 1 + 1) × 0.40 / 1,000,000",
            objects * 2.1 * 0.40 / 1_000_000,
        ),
        Cost(
            "S3: three reads and the write of a result for each object",
            f"{objects:,} × (3 × 0.0004 + 0.005) / 1,000",
            objects * (3 * 0.0004 + 0.005) / 1_000,
        ),
        Cost("Lambda: requests", f"{objects:,} × 0.20 / 1,000,000", objects * 0.20 / 1_000_000),
        Cost(
            "Lambda: duration",
            f"({objects:,} × 0.05 + {lines:,} × 0.0005) × {gigabytes:g} × {price:.10f}",
            (objects * 0.05 + lines * 0.0005) * gigabytes * price,
        ),
        Cost(
            "DynamoDB: writes of entities and rejected events, at most",
            f"{entity_units:,} × 0.625 / 1,000,000",
            entity_units * 0.625 / 1_000_000,
        ),
        Cost(
            "DynamoDB: writes of activity, at most",
            f"{activity_units:,} × 0.78 / 1,000,000",
            activity_units * 0.78 / 1_000_000,
        ),
    )


def _as_set(names: tuple[str, ...] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)
