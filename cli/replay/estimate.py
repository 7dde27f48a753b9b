"""What a replay would process, and at most cost: counted in a sample of its objects, and scaled to all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cli.cost.monthly import PRICES, CostLine
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
    f"List prices of {PRICES['region']}, {PRICES['as_of']}, without free tiers: aws.amazon.com/sqs/pricing,"
    " /s3/pricing, /lambda/pricing, /dynamodb/pricing/on-demand."
    " Lambda's time, 50 ms an object and 0.5 ms a line, is an assumption."
    " At most: entities are counted as if each had to be tried twice."
)

OBJECT_SECONDS, LINE_SECONDS = 0.05, 0.0005  # of the function: an assumption

_BYTES_PER_UNIT = 1024  # of DynamoDB's write units


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
class Estimate:
    """What a replay would process and cost; ``is_exact`` where all of its objects were counted."""

    objects: int
    bytes: int
    lines: int
    selected: int
    is_exact: bool
    costs: tuple[CostLine, ...]

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
) -> tuple[CostLine, ...]:
    sqs, s3, dynamodb, functions = (PRICES[service] for service in ("sqs", "s3", "dynamodb", "lambda"))
    gigabytes = int(parameters.get("MemorySize", "1024")) / 1024
    seconds = objects * OBJECT_SECONDS + lines * LINE_SECONDS
    second = functions["gb_second" if parameters.get("Architecture") == "arm64" else "gb_second_x86_64"]
    entity, activity = dynamodb["million_write_units"], dynamodb["million_write_units_infrequent_access"]
    object_usd = 3 * s3["million_reads"] + s3["million_writes"]
    return (
        _per_million("SQS: sends of ten, receives, deletes", objects * 2.1, sqs["million_requests"]),
        CostLine(
            "S3: three reads and the write of a result for each object",
            f"{objects:,} × (3 × {s3['million_reads']:.2f} + {s3['million_writes']:.2f}) / 1,000,000",
            objects * object_usd / 1_000_000,
        ),
        _per_million("Lambda: requests", objects, functions["million_requests"]),
        CostLine(
            "Lambda: duration",
            f"({objects:,} × {OBJECT_SECONDS} + {lines:,} × {LINE_SECONDS}) × {gigabytes:g} × {second:.10f}",
            seconds * gigabytes * second,
        ),
        _per_million("DynamoDB: writes of entities and rejected events, at most", entity_units, entity),
        _per_million("DynamoDB: writes of activity, at most", activity_units, activity),
    )


def _per_million(item: str, count: float, price: float) -> CostLine:
    return CostLine(item, f"{round(count, 1):,} × {price} / 1,000,000", count * price / 1_000_000)


def _as_set(names: tuple[str, ...] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)
