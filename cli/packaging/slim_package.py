"""What ``sam build`` packages, less what no function needs: ``python -m cli.packaging.slim_package`` after it.

The wheels carry the descriptions of all of AWS's services, and frameworks for web servers; a function only writes to
DynamoDB.
"""

import shutil
from pathlib import Path

from rich.console import Console
from rich.table import Table

from cli.catalogue.generated import ROOT

BUILD = ROOT / ".aws-sam" / "build"

# Of these folders only what is named stays.
KEEP = {
    "botocore/data": {"dynamodb", "endpoints.json", "partitions.json", "sdk-default-configuration.json", "_retry.json"},
    "boto3/data": set(),
}
DROP = ("aws_lambda_powertools/event_handler", "boto3/examples", "botocore/docs/bcdoc/docs")

PURPOSES = {
    "jsonschema_rs": "accepts valid events, quickly",
    "jsonschema": "explains the others",
    "referencing": "jsonschema needs it",
    "rpds": "jsonschema needs it",
    "attr": "jsonschema needs it",
    "aws_lambda_powertools": "logs and metrics",
    "botocore": "AWS: endpoints, credentials, signatures, connections",
    "boto3": "AWS: the client that those come from",
    "urllib3": "boto3 needs it",
    "dateutil": "boto3 needs it",
    "s3transfer": "boto3 needs it",
    "schemas": "the event types",
    "handlers": "our code",
}


def trim(package: Path) -> None:
    """Delete from a package what no function needs."""
    for folder, kept in KEEP.items():
        for path in (package / folder).iterdir():
            if path.name not in kept:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    for folder in DROP:
        shutil.rmtree(package / folder, ignore_errors=True)


def megabytes(path: Path) -> float:
    """The size of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(each.stat().st_size for each in files if each.is_file()) / 1e6


def picture(package: Path) -> Table:
    """What each megabyte of a package is for."""
    table = Table(title=f"{package.name}: {megabytes(package):.1f} MB")
    table.add_column("")
    table.add_column("MB", justify="right")
    table.add_column("what for")
    sizes = {path.name: megabytes(path) for path in package.iterdir()}
    for name in sorted(PURPOSES, key=lambda name: -sizes[name]):
        table.add_row(name, f"{sizes.pop(name):.1f}", PURPOSES[name])
    table.add_row("others", f"{sum(sizes.values()):.1f}", "small libraries, and notices of all")
    return table


if __name__ == "__main__":
    packages = sorted(BUILD.glob("*Function"))
    for each in packages:
        trim(each)
    if packages:
        Console().print(picture(packages[0]))
