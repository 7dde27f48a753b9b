"""The whole system under fire, as ``make soak`` runs it, with fewer events."""

import os
import random
import subprocess
import sys

from cli.catalogue.generated import ROOT
from cli.catalogue.samples import rejected_samples
from tests.guarantees.model import differences
from tests.guarantees.soak import planned
from tests.support.engines import SAMPLES


def test_every_event_is_accounted_for() -> None:
    """With faults before DynamoDB, events in any order and twice end in their tables, bad ones in theirs."""
    without_aws = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    command = [sys.executable, "-m", "tests.guarantees.soak", "--events", "300", "--seed", "3"]
    done = subprocess.run(command, cwd=ROOT, env=without_aws, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every event is accounted for" in done.stdout


def test_the_plan_is_worth_its_name() -> None:
    """What is sent crowds its entities, repeats itself, holds every refusal, and goes both ways."""
    plan = planned(3_000, random.Random(1))  # noqa: S311  # events that can be repeated
    assert len(set(plan.good)) == 2_850
    assert len({text.strip() for text in plan.bad}) == len(rejected_samples())
    assert len(plan.to_queue) + len(plan.to_stream) == 3_600
    assert abs(len(plan.to_queue) - len(plan.to_stream)) <= 1


def test_the_model_notices_what_is_missing_wrong_or_strange() -> None:
    """Tables that differ from the model in any way are told from those that do not."""
    module = SAMPLES["module_created"]
    item = {"context": "c", "entity": "e"}
    assert "is missing" in differences([module], {"modules": []})[0]
    assert "should not be there" in differences([], {"modules": [item]})[0]
