"""A DynamoDB that does no work: it accepts every write, at once or after a delay, so that only clients are measured.

It runs in its own process: ``python -m tests.benchmarks.endpoint DELAY_MS`` prints its port and serves until it is
terminated.
"""

import asyncio
import sys
from functools import cache

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n%s"


class Endpoint(asyncio.Protocol):
    """A keep-alive connection: one response for each request."""

    def __init__(self, delay_seconds: float) -> None:
        self._delay_seconds = delay_seconds
        self._data = bytearray()

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
        length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(self._data) - end < length:
            return
        response = _response(self._data.count(b'"Statement"', end))
        self._data.clear()
        if self._delay_seconds:
            asyncio.get_running_loop().call_later(self._delay_seconds, self._transport.write, response)
        else:
            self._transport.write(response)


@cache
def _response(statements: int) -> bytes:
    """Return the response to a number of statements; 0 is a plain PutItem."""
    body = b'{"Responses":[%s]}' % b",".join([b"{}"] * statements) if statements else b"{}"
    return _HEAD % (len(body), body)


async def _serve(delay_seconds: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Endpoint(delay_seconds), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1]) / 1000))
