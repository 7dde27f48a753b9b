"""Prove that a package for Lambda runs with nothing but its own content."""

import contextlib
import io
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

package = Path(sys.argv[1]).resolve()
sys.path.insert(0, str(package))
os.environ.update(REJECTED_TABLE="rejected", MODULES_TABLE="modules", AWS_DEFAULT_REGION="eu-west-1")
os.environ.update(AWS_ACCESS_KEY_ID="none", AWS_SECRET_ACCESS_KEY="none")
os.environ["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"  # nothing listens there
os.environ.update(POWERTOOLS_LOG_LEVEL="CRITICAL")

from handlers import kinesis, sqs  # noqa: E402  # from the package, which is only now on the path

context = SimpleNamespace(aws_request_id="1", get_remaining_time_in_millis=lambda: 60_000)
(valid,) = json.loads((package / "schemas" / "module_created.json").read_text())["examples"]
invalid = valid | {"body": valid["body"] | {"position": "first"}}


def handle(handler, *events):
    """Handle messages with these events; DynamoDB does not answer, so that all of them can only wait."""
    messages = [{"messageId": str(number), "body": json.dumps(event)} for number, event in enumerate(events)]
    with contextlib.redirect_stdout(io.StringIO()):  # its metrics
        response = handler({"Records": messages}, context)
    assert response == {"batchItemFailures": [{"itemIdentifier": each["messageId"]} for each in messages]}, response


def assert_from_package(*modules):
    """Modules are imported, and from the package."""
    for module in modules:
        assert module in sys.modules, f"{module} is not imported"
        assert str(sys.modules[module].__file__).startswith(str(package)), module


handle(kinesis.handler)
handle(sqs.handler, valid)
assert_from_package("handlers", "boto3", "botocore", "jsonschema_rs", "aws_lambda_powertools")
slow = ("jsonschema", "rpds")
assert sys.modules.keys().isdisjoint(slow), "imported before an event is invalid"
handle(sqs.handler, invalid)
assert_from_package(*slow)

assert "boto3.s3.transfer" not in sys.modules, "a function without a bucket makes no client of S3"
os.environ.update(OBJECTS_BUCKET="bucket", ARCHIVE_BUCKET="bucket")
from handlers import objects  # noqa: E402  # it reads the variables when it is imported
from handlers.runtime import BatchProcessor  # noqa: E402  # from the package, as above
from handlers.sources import SOURCES  # noqa: E402  # from the package, as above

handle(BatchProcessor(SOURCES["sqs"]).handle, valid)
handle(objects.handler, {"bucket": "bucket", "key": "events/an-object.ndjson.gz", "run": "a-run"})
assert_from_package("boto3.s3.transfer", "s3transfer")
print(f"{package.name}: runs by itself")
