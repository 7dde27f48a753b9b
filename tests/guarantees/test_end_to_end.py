"""The whole system under faults, as ``make soak`` runs it, with fewer events."""

import os
import random
import subprocess
import sys

from cli.catalogue.generated import ROOT
from cli.catalogue.samples import rejected_samples
from tests.guarantees.model import differences
from tests.guarantees.soak import make_plan
from tests.support.engines import SAMPLES


def test_every_event_is_accounted_for() -> None:
    """With faults in front of DynamoDB, valid events end in their tables, and invalid ones in the rejected table."""
    without_aws = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    command = [sys.executable, "-m", "tests.guarantees.soak", "--events", "300", "--seed", "3"]
    done = subprocess.run(command, cwd=ROOT, env=without_aws, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every event is accounted for" in done.stdout
    assert "Every record is in the archive" in done.stdout


def test_plan_covers_collisions_duplicates_rejections_and_both_sources() -> None:
    """The plan has several events for each entity, duplicates, every rejection, and deliveries through both sources."""
    plan = make_plan(3_000, random.Random(1))  # noqa: S311  # events that can be repeated
    assert len(set(plan.good)) == 2_850
    assert len({text.strip() for text in plan.bad}) == len(rejected_samples())
    assert len(plan.to_queue) + len(plan.to_stream) == 3_600
    assert abs(len(plan.to_queue) - len(plan.to_stream)) <= 1


def test_model_detects_missing_wrong_and_unexpected_items() -> None:
    """Tables that differ from the model in any way are reported, and matching ones are not."""
    module = SAMPLES["module_created"]
    item = {"context": "c", "entity": "e"}
    assert "is missing" in differences([module], {"modules": []})[0]
    assert "should not exist" in differences([], {"modules": [item]})[0]
