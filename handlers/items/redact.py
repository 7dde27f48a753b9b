"""Redact the secrets that Canvas puts into URLs, before anything is stored."""

import re

# As they may occur in JSON text: percent-encoded once or twice, or escaped. A value ends where the parameter does,
# whether the "&" is itself, %26 or \u0026.
_URL_SECRETS = re.compile(
    rb"((?:access_token|verifier)(?:\[\]|%5B%5D)?(?:=|%3D|%253D|\\u003D))"
    # Possessive: nothing follows that needs backtracking, and the backtracking state takes 160 bytes a character.
    rb"(?:[^\"'&#\s<>\\%]|%(?!2[0236]|3[CE])|\\/|\\u00(?!2[0236]|3[CE])[0-9A-F]{2})++",
    re.IGNORECASE,
)


def redact(data: bytes) -> bytes:
    """Replace the secrets in URLs: the values of ``access_token=…``, ``verifier=…`` and ``sf_verifier=…``."""
    return _URL_SECRETS.sub(rb"\1REDACTED", data)


def redact_text(text: str) -> str:
    """``redact`` for text."""
    return redact(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")
