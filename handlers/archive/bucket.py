"""S3: the bucket of a function, and nothing beside it."""

from typing import TYPE_CHECKING, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from handlers.deadline import CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_ATTEMPTS = 3


class ObjectStream(Protocol):
    """The body of an object."""

    def read(self, amt: int) -> bytes:
        """Return at most ``amt`` bytes; none at the end."""


class ObjectStore(Protocol):
    """A bucket: ``Bucket``, or what stands in for it."""

    name: str

    def write(self, key: str, data: bytes) -> None:
        """Write an object. Raises ``BucketError``; the object may have been written then."""

    def open(self, key: str) -> ObjectStream:
        """Begin to read an object. Raises ``BucketError``."""


class BucketError(Exception):
    """A request to S3 failed; the text is the error code of S3, or the type of botocore's exception."""


class Bucket:
    """Writes and reads the objects of one bucket."""

    def __init__(self, client: "S3Client", name: str) -> None:
        self.name = name
        self._client = client

    def write(self, key: str, data: bytes) -> None:
        """Write an object, as ``ObjectStore`` says."""
        try:
            self._client.put_object(Bucket=self.name, Key=key, Body=data)
        except (ClientError, BotoCoreError) as error:
            raise BucketError(_error_code(error)) from None

    def open(self, key: str) -> ObjectStream:
        """Begin to read an object, as ``ObjectStore`` says; reading on may raise botocore's and urllib3's errors."""
        try:
            return self._client.get_object(Bucket=self.name, Key=key)["Body"]
        except (ClientError, BotoCoreError) as error:
            raise BucketError(_error_code(error)) from None


def connect(name: str) -> Bucket:
    """Return the bucket of this name, through a client of its own."""
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=READ_TIMEOUT_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
    )
    return Bucket(boto3.client("s3", config=config), name)


def _error_code(error: ClientError | BotoCoreError) -> str:
    if isinstance(error, ClientError):
        return error.response.get("Error", {}).get("Code", "") or type(error).__name__
    return type(error).__name__
