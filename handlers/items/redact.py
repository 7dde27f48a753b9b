"""The secrets that Canvas puts into URLs, masked before anything is kept."""

import re

# Those that Canvas puts into URLs, as they may stand in JSON text: percent-encoded once or twice, or escaped. The
# value ends where the parameter does, whether "&" stands there as itself, as %26 or as \u0026.
_SECRETS = re.compile(
    rb"((?:access_token|verifier)(?:\[\]|%5B%5D)?(?:=|%3D|%253D|\\u003D))"
    # Possessive, since nothing follows to go back for, and remembering where to go back to takes 160 bytes a character.
    rb"(?:[^\"'&#\s<>\\%]|%(?!2[0236]|3[CE])|\\/|\\u00(?!2[0236]|3[CE])[0-9A-F]{2})++",
    re.IGNORECASE,
)


def masked(data: bytes) -> bytes:
    """The data with the secrets in its URLs masked: ``access_token=…``, ``verifier=…``, ``sf_verifier=…``."""
    return _SECRETS.sub(rb"\1REDACTED", data)


def masked_text(text: str) -> str:
    """``masked`` for text."""
    return masked(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")
