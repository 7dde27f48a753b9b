"""Redact the secrets in URLs before anything is stored: whoever has such a URL can fetch what it names.

Canvas puts ``verifier``, ``sf_verifier``, ``access_token`` or a JWT as ``token`` into its download links. Presigned
links have ``X-Amz-Signature`` and ``X-Amz-Security-Token`` (S3), ``Signature`` (S3, CloudFront and Google Cloud
Storage), ``X-Goog-Signature`` (Google Cloud Storage) or ``sig`` (Azure Storage). Sources: canvas-lms,
``attachment.rb`` and ``file_authenticator.rb``; Amazon S3 API Reference, "Authenticating Requests: Using Query
Parameters"; Amazon CloudFront Developer Guide, "Create a signed URL"; Google Cloud Storage, "Signed URLs"; Azure
Storage, "Create a service SAS".
"""

import re
from typing import Any

# What every parameter below contains, in lower case.
_MARKERS = ("verifier", "token", "signature", "sig=", "sig%", "sig[", "sig\\", "jwt", "secret", "api_key", "apikey")

# As they may occur in JSON text: percent-encoded once or twice, or escaped. A value ends where the parameter does,
# whether the "&" is itself, %26 or \u0026. The shorter names could be words of a text, so they must begin a parameter.
_URL_SECRETS = re.compile(
    rb"((?:access_token|verifier"
    rb"|(?:[?&;#]|%(?:25)?(?:3F|26|3B|23)|\\u00(?:3F|26|3B|23))[\w.-]{0,64}"
    rb"(?:token|signature|sig|jwt|secret|api_?key))"
    rb"(?:\[\]|%5B%5D)?(?:=|%3D|%253D|\\u003D))"
    # Possessive: nothing follows that needs backtracking, and the backtracking state takes 160 bytes a character.
    # An escaped control character, quote, "#", "%", "&", "<", ">" or backslash ends a value as the character does.
    rb"(?:[^\"'&#\s<>\\%]|%(?!2[0236]|3[CE])|\\/|\\u00(?!0|1|2[0235-7]|3[CE]|5C)[0-9A-F]{2})++",
    re.IGNORECASE,
)


def redact(data: bytes) -> bytes:
    """Replace the secrets in URLs by ``REDACTED``, in text of any kind; redacting twice changes nothing more.

    Bytes that are not UTF-8 are not text, and are returned as they are: with other bytes in them they could no longer
    be decompressed or taken apart.
    """
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data
    return _redact(data)


def redact_text(text: str) -> str:
    """``redact`` for a string."""
    return _redact(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


def redact_value(value: Any) -> Any:
    """``redact`` for a JSON value: all strings in it, names of members included."""
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, dict):
        return {redact_text(name): redact_value(member) for name, member in value.items()}
    return [redact_value(element) for element in value] if isinstance(value, list) else value


def may_hold_secrets(text: str) -> bool:
    """Whether ``redact_text`` could change a text; fast for one without parameters, as nearly every body is."""
    if "=" not in text and "%" not in text and "\\u003" not in text:
        return False
    lower = text.lower()
    return any(marker in lower for marker in _MARKERS)


def _redact(data: bytes) -> bytes:
    return _URL_SECRETS.sub(rb"\1REDACTED", data)
