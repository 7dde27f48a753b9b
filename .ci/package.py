"""Prove that a package for Lambda runs with nothing but its own content, and holds nothing else than what runs."""

import contextlib
import io
import os
import sys
from pathlib import Path
from types import SimpleNamespace

package = Path(sys.argv[1]).resolve()
sys.path.insert(0, str(package))
os.environ.update(REJECTED_TABLE="rejected", AWS_DEFAULT_REGION="eu-west-1")
os.environ.update(AWS_ACCESS_KEY_ID="none", AWS_SECRET_ACCESS_KEY="none")
os.environ["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"  # nothing listens there
os.environ.update(POWERTOOLS_LOG_LEVEL="CRITICAL")

from handlers import kinesis, sqs  # noqa: E402  # from the package, which is only now on the path

context = SimpleNamespace(aws_request_id="1", get_remaining_time_in_millis=lambda: 60_000)
message = {"messageId": "1", "body": (package / "schemas" / "module_created.json").read_text()}
for handler, records in [(sqs.handler, []), (kinesis.handler, []), (sqs.handler, [message])]:
    with contextlib.redirect_stdout(io.StringIO()):  # its metrics
        response = handler({"Records": records}, context)
    # DynamoDB does not answer: the one record, which is no event, can only wait.
    assert response == {"batchItemFailures": [{"itemIdentifier": "1"}] if records else []}, response

for module in ("handlers", "boto3", "jsonschema", "aws_lambda_powertools", "rpds"):
    assert str(sys.modules[module].__file__).startswith(str(package)), module
for stranger in ("cli", "tests", "events", "moto", "ministack", "pytest"):
    assert not (package / stranger).exists(), stranger
size = sum(path.stat().st_size for path in package.rglob("*") if path.is_file())
print(f"{package.name}: runs by itself, {size / 1e6:.1f} MB unpacked")
