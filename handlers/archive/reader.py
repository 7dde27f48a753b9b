"""Read an object line by line: decompressed as it is read, so that only its items are ever all in memory."""

import zlib
from collections.abc import Iterator

from botocore.exceptions import BotoCoreError
from urllib3.exceptions import HTTPError

from handlers.archive.bucket import BucketError, ObjectStream
from handlers.archive.errors import ObjectError

# More than the archive ever writes: Lambda gives a function at most 6 MB of records, and JSON makes at most six times
# as many bytes of one. Source: AWS Lambda Developer Guide, "Lambda quotas".
MAX_BYTES = 48 * 1024 * 1024
MAX_LINES = 20_000

_CHUNK_BYTES = 256 * 1024
_GZIP = 31  # zlib's wbits for gzip


def read_lines(stream: ObjectStream) -> Iterator[str]:
    """Yield the lines of a gzipped object, of one member or several.

    Raises ``ObjectError`` for an object that is not gzipped text, is truncated or damaged, or has more than
    ``MAX_BYTES`` decompressed or ``MAX_LINES``, and ``BucketError`` when the connection breaks.
    """
    count = 0
    rest = b""
    for chunk in _decompressed(stream):
        *lines, rest = (rest + chunk).split(b"\n")
        count += len(lines)
        if count > MAX_LINES:
            raise ObjectError("TooLarge", f"The object has more than {MAX_LINES:,} lines. Split it.")
        yield from map(_text, filter(None, lines))
    if rest:
        raise ObjectError("Truncated", "The last line of the object has no line feed at its end: it is not whole.")


def _text(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise ObjectError("NotText", "The object has a line that is not text in UTF-8.") from None


def _decompressed(stream: ObjectStream) -> Iterator[bytes]:
    """Yield parts of at most ``_CHUNK_BYTES``, so that no compressed object can take more memory."""
    decompressor = zlib.decompressobj(_GZIP)
    total = 0
    is_empty = True
    for chunk in _chunks(stream):
        compressed = chunk
        while compressed:
            if decompressor.eof:
                decompressor = zlib.decompressobj(_GZIP)
            is_empty = False
            try:
                part = decompressor.decompress(compressed, _CHUNK_BYTES)
            except zlib.error:
                raise ObjectError("NotGzip", "The object is not gzip, or is damaged.") from None
            total += len(part)
            if total > MAX_BYTES:
                raise ObjectError("TooLarge", f"The object has more than {MAX_BYTES:,} bytes decompressed. Split it.")
            yield part
            compressed = decompressor.unconsumed_tail or decompressor.unused_data
    if is_empty or not decompressor.eof:
        raise ObjectError("Truncated", "The object ends before its gzip data does: it is not whole.")


def _chunks(stream: ObjectStream) -> Iterator[bytes]:
    try:
        while chunk := stream.read(_CHUNK_BYTES):
            yield chunk
    except (BotoCoreError, HTTPError, OSError) as error:
        raise BucketError(type(error).__name__) from None
