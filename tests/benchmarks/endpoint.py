"""A DynamoDB that does no work, and an S3 in memory: at once or after a delay, so that only clients are measured.

DynamoDB accepts every write. S3 takes objects (PUT) and gives them back (GET).

It runs in its own process: ``python -m tests.benchmarks.endpoint DELAY_MS`` prints its port and serves until it is
terminated.
"""

import asyncio
import sys
from functools import cache

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n%s"
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n%s"
_NO_SUCH_KEY = b"<Error><Code>NoSuchKey</Code></Error>"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_OBJECTS: dict[bytes, bytes] = {}


class Endpoint(asyncio.Protocol):
    """A keep-alive connection: one response for each request."""

    def __init__(self, delay_seconds: float) -> None:
        self._delay_seconds = delay_seconds
        self._data = bytearray()
        self._is_continued = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport for the responses."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Respond once a request is complete."""
        self._data += data
        end = self._data.find(b"\r\n\r\n") + 4
        if end < 4:
            return
        head = bytes(self._data[:end]).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0] or b"0")
        if len(self._data) - end < length:
            if b"100-continue" in head and not self._is_continued:
                self._is_continued = True
                self._transport.write(_CONTINUE)
            return
        method, path, _ = bytes(self._data[:end]).split(b" ", 2)
        if method == b"POST":
            response = _response(self._data.count(b'"Statement"', end))
        else:
            response = _of_s3(method, path, bytes(self._data[end:]))
        self._data.clear()
        self._is_continued = False
        if self._delay_seconds:
            asyncio.get_running_loop().call_later(self._delay_seconds, self._transport.write, response)
        else:
            self._transport.write(response)


@cache
def _response(statements: int) -> bytes:
    """Return the response to a number of statements; 0 is a plain PutItem."""
    body = b'{"Responses":[%s]}' % b",".join([b"{}"] * statements) if statements else b"{}"
    return _HEAD % (len(body), body)


def _of_s3(method: bytes, path: bytes, content: bytes) -> bytes:
    """Return the response to a request for an object."""
    path = path.partition(b"?")[0]
    if method == b"PUT":
        _OBJECTS[path] = content
        return _HEAD % (0, b"")
    if path not in _OBJECTS:
        return _NOT_FOUND % (len(_NO_SUCH_KEY), _NO_SUCH_KEY)
    return _HEAD % (len(_OBJECTS[path]), _OBJECTS[path])


async def _serve(delay_seconds: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Endpoint(delay_seconds), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1]) / 1000))
