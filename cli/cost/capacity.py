"""What a configuration sustains, resource by resource: limits that AWS documents, and assumptions, each marked."""

from dataclasses import dataclass
from functools import cache

from cli.cost.monthly import BATCH_SECONDS, EVENT_SECONDS, MESSAGES_A_RECEIVE

# Documented by AWS.
FIRST_CONCURRENCY, CONCURRENCY_A_MINUTE = 5, 300  # of the mapping of a queue
NEW_TABLE_WRITE_UNITS = 4_000  # a second, of a new table on demand
PARTITION_WRITE_UNITS = 1_000  # a second, whatever the table has
MESSAGES_IN_FLIGHT = 120_000  # of a queue: received, and not yet deleted

# Assumptions.
RECEIVES_A_SECOND = 10  # of a poller. AWS publishes no figure for a queue without provisioned pollers
HOT_COURSE_SHARE = 0.02  # of the events of entities: the largest course, in one partition of one table
LARGEST_TABLE_SHARE = 0.5  # of the events of entities: the busiest table besides activity
WRITE_UNITS_OF_ENTITY = 1.6  # with the entries of the indexes, see monthly.py


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """The parameters of the template that bound its throughput, and the tables' warm throughput."""

    maximum_concurrency: int = 10
    batch_size: int = 100
    window_seconds: int = 5
    warm_write_units: int = NEW_TABLE_WRITE_UNITS
    activity: float = 0.85

    @property
    def in_flight_bound(self) -> float:
        """Events that all batches together can hold."""
        return self.maximum_concurrency * self.batch_size

    @property
    def batch_seconds(self) -> float:
        """How long an invocation with a full batch takes."""
        return BATCH_SECONDS + EVENT_SECONDS * self.batch_size


POLLERS = "pollers"
FUNCTIONS = "functions"
ACTIVITY_TABLE = "activity table"
ENTITY_TABLE = "busiest entity table"
HOT_COURSE = "largest course"
IN_FLIGHT = "messages in flight"


def limits(configuration: Configuration, concurrency: int) -> dict[str, float]:
    """Return how many events a second each resource sustains, of all events together, at a concurrency."""
    entities = 1 - configuration.activity
    units, unlimited = configuration.warm_write_units, float("inf")
    largest_table = entities * LARGEST_TABLE_SHARE * WRITE_UNITS_OF_ENTITY
    return {
        IN_FLIGHT: unlimited
        if configuration.in_flight_bound <= MESSAGES_IN_FLIGHT
        else MESSAGES_IN_FLIGHT / (configuration.window_seconds + configuration.batch_seconds),
        POLLERS: concurrency * RECEIVES_A_SECOND * MESSAGES_A_RECEIVE,
        FUNCTIONS: concurrency * configuration.batch_size / configuration.batch_seconds,
        ACTIVITY_TABLE: units / configuration.activity if configuration.activity else unlimited,
        ENTITY_TABLE: units / largest_table if entities else unlimited,
        HOT_COURSE: PARTITION_WRITE_UNITS / (entities * HOT_COURSE_SHARE) if entities else unlimited,
    }


@cache
def first_limit(configuration: Configuration, concurrency: int) -> tuple[str, float]:
    """Return the resource that limits first, and the events per second that it sustains."""
    sustained = limits(configuration, concurrency)
    name = min(sustained, key=lambda resource: sustained[resource])
    return name, sustained[name]
