"""Add a person to the list of erased people in the bucket of a stack (``handlers.archive.erased``)."""

from botocore.exceptions import ClientError

from cli.errors import CommandError
from cli.personal_data.person import Person
from cli.stack.stack import Stack
from handlers.archive.bucket import Bucket
from handlers.archive.erased import KEY, read_erased_people


def add_to_erased_people(stack: Stack, person: Person) -> None:
    """Add a person, their other names and their work, so that no replay or reconciliation brings them back.

    Raises ``CommandError`` if the list cannot be read, or was changed at the same time.
    """
    bucket = Bucket(stack.client("s3"), stack.resource("Bucket", "bucket"))
    before = _etag(stack, bucket.name)
    try:
        people = read_erased_people(bucket)
    except ValueError as error:
        raise CommandError(f"{error}: restore it, or delete it and erase once more everybody who was on it.") from None
    names = {f"User#{person.user_id}"} | person.identifiers | person.work
    content = people.with_names(person.root_account, names).to_bytes()
    # Two erasures at once must not lose each other's person.
    condition = {"IfMatch": before} if before else {"IfNoneMatch": "*"}
    try:
        stack.client("s3").put_object(Bucket=bucket.name, Key=KEY, Body=content, **condition)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("PreconditionFailed", "ConditionalRequestConflict"):
            raise
        raise CommandError(f"{KEY} was changed by another erasure at the same time. Run the command again.") from None


def _etag(stack: Stack, bucket: str) -> str | None:
    try:
        etag: str = stack.client("s3").head_object(Bucket=bucket, Key=KEY)["ETag"]
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchKey"):
            raise
        return None
    return etag
