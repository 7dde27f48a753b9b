"""Debian's Chromium, headless, driven through its DevTools protocol over a pipe.

Source: https://chromedevtools.github.io/devtools-protocol/, and Chromium's ``--remote-debugging-pipe``, by which the
browser reads commands from file descriptor 3 and writes replies and events to 4, each a JSON text ended by a NUL.
"""

import contextlib
import itertools
import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 60

FLAGS = ["--headless", "--remote-debugging-pipe", "--no-first-run", "--disable-dev-shm-usage"]

# The text that a person sees, with the boxes of its lines, and what sticks out of the window or out of its container.
_LAYOUT = """(() => {
  const name = e => `${e.tagName} ${e.className.baseVal ?? e.className} ${e.textContent.trim().slice(0, 40)}`;
  const isOutside = (inner, outer) => inner.left < outer.left - 1 || inner.right > outer.right + 1
    || inner.top < outer.top - 1 || inner.bottom > outer.bottom + 1;
  const window = {left: 0, right: document.documentElement.clientWidth, top: -Infinity, bottom: Infinity};
  const texts = [], overflowing = [], overlapping = [];
  for (const e of document.querySelectorAll("body *")) {
    const box = e.getBoundingClientRect();
    const svg = e.closest("svg"), section = e.closest("section");
    const isText = [...e.childNodes].some(child => child.nodeType === 3 && child.textContent.trim());
    const isVisible = box.width && box.height;
    if (isVisible && (isOutside(box, window) || section && isOutside(box, section.getBoundingClientRect())
        || svg && isText && isOutside(box, svg.getBoundingClientRect())
        || e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== "inline")) overflowing.push(name(e));
    if (!isText) continue;
    for (const child of e.childNodes) {
      if (child.nodeType !== 3 || !child.textContent.trim()) continue;
      const range = document.createRange();
      range.selectNode(child);
      const boxes = svg ? [box] : [...range.getClientRects()];
      const scale = svg ? svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 1;
      const size = parseFloat(getComputedStyle(e).fontSize) * scale;
      for (const {left, right, top, bottom} of boxes)
        texts.push({text: child.textContent.trim(), left, right, top, bottom, size});
    }
  }
  texts.forEach((a, i) => texts.slice(0, i).forEach(b => {
    const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (width > 1 && height > 3) overlapping.push([a.text, b.text]);
  }));
  const charts = [...document.querySelectorAll("svg.chart")].map(svg => {
    const {width, height} = svg.getBoundingClientRect();
    return {title: svg.getAttribute("aria-label"), width, height,
            labels: [...svg.querySelectorAll("text")].map(text => text.textContent.trim())};
  });
  return {width: innerWidth, smallest: Math.min(...texts.map(text => text.size)), overflowing, overlapping, charts,
          headings: [...document.querySelectorAll("h2")].map(e => e.innerText), texts: texts.map(text => text.text)};
})()"""


@contextlib.contextmanager
def chromium(command: str) -> Iterator["Page"]:
    """Run a Chromium with an empty profile, and open a blank page in it."""
    # The shell renumbers the pipes, because Popen only connects them as standard input and output.
    shell = ["sh", "-c", 'exec "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1', "sh"]
    # Chromium's sandbox does not start as root.
    flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else FLAGS
    with (
        tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile,
        subprocess.Popen(
            [*shell, command, *flags, f"--user-data-dir={profile}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"HOME": profile},
        ) as process,
    ):
        try:
            yield Page(process)
        finally:
            process.kill()


class Page:
    """A page: ``events`` has what the browser reported since the page was opened, oldest first."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._ids = itertools.count(1)
        self._buffer = b""
        self._session: dict[str, str] = {}
        self.events: list[dict[str, Any]] = []
        target = self._send("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self._send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._send(f"{domain}.enable")

    def open(self, path: Path, width: int, height: int = 844, *, is_mobile: bool = False) -> None:
        """Load a file in a window of this size; a mobile one honors the page's viewport as a phone does."""
        self._send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=is_mobile
        )
        self.events.clear()
        self._send("Page.navigate", url=path.as_uri())
        while not self._seen("Page.loadEventFired"):
            self._receive()

    def layout(self) -> dict[str, Any]:
        """Measure the page.

        ``width`` of the window, ``smallest`` font and each chart's ``width`` and ``height`` are in CSS pixels;
        ``overflowing`` has what sticks out of the window, its section or its plot, or hides a part of its content;
        ``overlapping`` has pairs of texts.
        """
        measured: dict[str, Any] = self._evaluate(_LAYOUT)
        return measured

    def requests(self) -> list[str]:
        """Return the URLs that the page requested, its own first."""
        return [event["params"]["request"]["url"] for event in self._seen("Network.requestWillBeSent")]

    def errors(self) -> list[dict[str, Any]]:
        """Return the exceptions of scripts, and what the browser complained about."""
        return self._seen("Runtime.exceptionThrown") + self._seen("Log.entryAdded")

    def _evaluate(self, script: str) -> Any:
        reply = self._send("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in reply, reply
        return reply["result"]["value"]

    def _seen(self, method: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["method"] == method]

    def _send(self, method: str, **params: Any) -> dict[str, Any]:
        message_id = next(self._ids)
        message = json.dumps({"id": message_id, "method": method, "params": params, **self._session})
        assert self._process.stdin is not None
        self._process.stdin.write(message.encode() + b"\0")
        self._process.stdin.flush()
        while (reply := self._receive()).get("id") != message_id:
            pass
        assert "error" not in reply, reply["error"]
        result: dict[str, Any] = reply["result"]
        return result

    def _receive(self) -> dict[str, Any]:
        """Wait for the next reply or event; keep it if it is an event."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._process.stdout], [], [], max(0, deadline - time.monotonic()))
            assert ready, "Chromium did not reply in time"
            chunk = os.read(self._process.stdout.fileno(), 1 << 16)
            assert chunk, "Chromium ended"
            self._buffer += chunk
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        if "method" in message:
            self.events.append(message)
        return message
