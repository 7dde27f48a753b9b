"""The secrets in URLs, wherever the URL is."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.items.redact import may_hold_secrets, redact, redact_text, redact_value
from handlers.storage.attribute_value import UnsupportedValue, serialize

OPENING = "s3c%2Fret~-_.%3D"
S3 = "https://bucket.s3.amazonaws.com/quiz.xml?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=60"
CLOUDFRONT = "https://d111111abcdef8.cloudfront.net/quiz.xml?Expires=1788249600"


@pytest.mark.parametrize(
    "text",
    [
        f"{S3}&X-Amz-Signature=@&x=1",
        f"{S3}&X-Amz-Security-Token=@",
        "https://s3.amazonaws.com/bucket/quiz.xml?AWSAccessKeyId=AKIA&Expires=1788249600&Signature=@",
        f"{CLOUDFRONT}&Signature=@&Key-Pair-Id=K2JCJMDEHXQW5F",
        "https://storage.googleapis.com/bucket/quiz.xml?X-Goog-Expires=60&X-Goog-Signature=@",
        "https://account.blob.core.windows.net/quiz.xml?sv=2022-11-02&sig=@&se=2026",
        "https://inst-fs-dub-prod.inscloudgate.net/files/7/quiz.xml?token=@&download=1",
        "https://canvas.example.edu/files/7?download_frd=1&verifier=@",
        "https://canvas.example.edu/login#id_token=@",
        '<a href="/files/7?wrap=1&amp;sig=@&amp;x=1">file</a>',
        "/login?to=https%3A%2F%2Fc.edu%3Fa%3D1%26sig%3D@%26b%3D1",
        '{"url":"https://c.edu/q?a=1\\u0026sig=@\\u0026b=1"}',
        "First https://c.edu?sig=@\nthen https://c.edu?sig=@ and so on",
    ],
)
def test_secret_of_a_link_is_redacted_and_nothing_else(text: str) -> None:
    """The parameters that open a download or presigned link are redacted, in a URL, in HTML, in JSON and in prose."""
    secret, redacted = text.replace("@", OPENING), text.replace("@", "REDACTED")
    assert redact_text(secret) == redacted
    assert redact(secret.encode()) == redacted.encode()
    assert redact_value({"a": [{secret: secret}], "b": 7}) == {"a": [{redacted: redacted}], "b": 7}


@pytest.mark.parametrize(
    "text",
    [
        "The token = 5; its signature=f(x) and design=round",
        "https://c.edu/?page=2&assignment=7&tokens=3&signatures=x#secret",
        "https://c.edu/?token=&sig=",
        "sig=abc",
    ],
)
def test_text_that_is_no_secret_of_a_url_is_unchanged(text: str) -> None:
    """Words of a text, other parameters and empty ones stay."""
    assert redact_text(text) == text


PIECES = st.sampled_from(
    [
        *(
            "verifier",
            "access_token",
            "token",
            "sig",
            "X-Amz-Signature",
            "[]",
            "%5B%5D",
            "=",
            "%3D",
            "%253D",
            "\\u003D",
        ),
        *("?", "&", "&amp;", "%26", "%3F", "%2526", "\\u0026", "#", "abc", "é", "€", "%", "\\", "\\/", '"', "'", "<"),
        *(" ", "\n", "\u00a0", "\x0b", "a.b", "a"),
    ]
)
TEXTS = st.lists(PIECES, max_size=12).map("".join)
VALUES = st.recursive(
    TEXTS | st.none() | st.integers(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(TEXTS, values, max_size=3),
    max_leaves=5,
)


@given(text=TEXTS)
def test_redacting_twice_is_redacting_once(text: str) -> None:
    """A redacted text is final, so a record that is redriven gives the item that it gave before."""
    assert redact_text(redact_text(text)) == redact_text(text)


@given(value=VALUES, ensure_ascii=st.booleans())
def test_redacted_json_text_gives_the_redacted_value(value: Any, ensure_ascii: bool) -> None:
    """Redacting the JSON text of a rejected record leaves valid JSON, and its body gives the item of the original."""
    text = json.dumps(value, ensure_ascii=ensure_ascii)
    assert redact_value(json.loads(redact(text.encode()))) == redact_value(value)


@given(value=VALUES)
def test_body_that_changes_is_always_looked_at(value: Any) -> None:
    """The quick look at a serialized body misses nothing that would be redacted."""
    try:
        text = serialize(value)
    except UnsupportedValue:
        return  # a member without a name
    assert may_hold_secrets(text) or redact_value(value) == value
