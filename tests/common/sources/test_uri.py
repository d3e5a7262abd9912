"""Image URIs: which are accepted, what is fetched for them, and what is shown of them."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.errors import Rejected
from services.common.events import ImageEvent, parse_event
from services.common.sources.uri import S3Uri, WebUri, parse_image_uri, parse_web_uri, shown

ANNOUNCED = {"biological_sample_id": "183808", "centre": "JAX", "parameter_stable_id": "IMPC_XRY_034_001"}
REFUSED = [
    "s3://[/x",
    "s3://bucket/../x",
    "s3://bucket/a/..",
    "s3://bucket/./x",
    "s3://bucket/a\\..\\x",
    "s3://bucket/",
    "s3://bucket/" + "x" * 1025,
    "s3://bucket/" + "ü" * 513,
    "s3://bu/x",
    "s3://Bucket/x",
    "s3://bucket_1/x",
    "s3://-bucket/x",
    "s3://a..b/x",
    "s3://127.0.0.1/x",
    "s3://" + "b" * 64 + "/x",
    "s3://user@bucket/x",
    "s3://bucket:80/x",
    "s3:///x",
    "s3://bucket/a\nb",
    "s3://bucket/a\x85b",
    "https://127.0.0.1:8080\\@allowed.host/x",
    "https://allowed.host\\/x",
    "https://user@allowed.host/x",
    "https://user:password@allowed.host/x",
    "https://a℀b/x",
    "https://bücher.example/x",
    "https://\u212a.example/x",
    "https://[::1]/x",
    "https://[/x",
    "https://host:0/x",
    "https://host:65536/x",
    "https://host:/x",
    "https://host:４４３/x",
    "https://host:443:443/x",
    "https://.host/x",
    "https://host./x",
    "https://ho st/x",
    "https://-host/x",
    "https://" + "a." * 126 + "abc/x",
    "https://host/x#fragment",
    "https://host/../x",
    "https://host/a/./x",
    "https://host?/x",
    "https://host/" + "x" * 2036,
    "https://host/" + "x" * 2020 + "?a",
    "https://host",
    "https://host/",
    "http://host/x",
    "ftp://host/x",
    "file:///etc/passwd",
    "HTTPS://host/x",
    "//host/x",
]


@pytest.mark.parametrize("uri", REFUSED)
def test_a_uri_that_is_not_one_is_refused_at_the_event_by_field(uri: str) -> None:
    with pytest.raises(Rejected) as caught:
        parse_event(ImageEvent, json.dumps(ANNOUNCED | {"image_uri": uri}).encode())
    assert caught.value.reason == "field_invalid"
    assert set(caught.value.details["fields"]) == {"image_uri"}


@pytest.mark.parametrize(
    ("uri", "bucket", "key"),
    [
        ("s3://incoming/jax/183808_DV.dcm", "incoming", "jax/183808_DV.dcm"),
        ("s3://my.bucket-7/a b+c%20d/Mäuschen 🐁 #3?.dcm", "my.bucket-7", "a b+c%20d/Mäuschen 🐁 #3?.dcm"),
        ("s3://incoming//..a/...", "incoming", "/..a/..."),
        ("s3://incoming/\u202fa\u0308", "incoming", "\u202fa\u0308"),
        ("s3://incoming/" + "x" * 1024, "incoming", "x" * 1024),
    ],
)
def test_the_key_of_an_object_is_taken_literally(uri: str, bucket: str, key: str) -> None:
    event = parse_event(ImageEvent, json.dumps(ANNOUNCED | {"image_uri": uri}).encode())
    assert event.location == S3Uri(bucket, key)
    assert event.image_uri == uri


@pytest.mark.parametrize(
    ("uri", "host", "port", "target"),
    [
        ("https://images.example.org/xray/1.png", "images.example.org", 443, "/xray/1.png"),
        ("https://Images.Example.org:443/x", "images.example.org", 443, "/x"),
        ("https://192.0.2.7:8443/x?a=1&b=%2F", "192.0.2.7", 8443, "/x?a=1&b=%2F"),
        ("https://host/a b/ü%zz?q=a b/../c", "host", 443, "/a%20b/%C3%BC%25zz?q=a%20b/../c"),
        ("https://host/@user/x:y", "host", 443, "/@user/x:y"),
    ],
)
def test_a_web_address_has_one_host_and_an_encoded_target(uri: str, host: str, port: int, target: str) -> None:
    assert parse_image_uri(uri) == WebUri("https", host, port, target)
    assert target.isascii()


def test_plain_http_is_no_image_uri_but_a_web_address() -> None:
    assert parse_web_uri("http://host:8080/solr") == WebUri("http", "host", 8080, "/solr")
    with pytest.raises(ValueError, match="must be"):
        parse_web_uri("s3://bucket/key")


@settings(deadline=None)
@given(st.text(max_size=60).map("https://".__add__) | st.text(max_size=60).map("s3://".__add__) | st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        parsed = parse_image_uri(text)
    except ValueError:
        return
    if isinstance(parsed, WebUri):
        assert parse_image_uri(parsed.origin + parsed.target) == parsed


@settings(deadline=None)
@given(st.text(max_size=40))
def test_showing_a_uri_twice_changes_nothing(text: str) -> None:
    for uri in (text, f"https://host/{text}", f"https://user:{text}@host/?{text}"):
        assert shown(shown(uri)) == shown(uri)


SECRET = "X-Amz-Signature=0123456789abcdef-secret"


def test_credentials_are_never_shown() -> None:
    uri = f"https://images.example.org/x.png?{SECRET}"
    assert shown(uri).startswith("https://images.example.org/x.png?sha256=")
    assert shown(uri) != shown(uri + "0")
    assert shown("https://user:password@host/x") == "https://host/x"
    assert shown("s3://bucket/a@b/c") == "s3://bucket/a@b/c"
    event = ImageEvent.model_validate(ANNOUNCED | {"image_uri": uri})
    for text in (event.shown_uri, str(event.location), str(parse_image_uri(f"s3://bucket/key?{SECRET}"))):
        assert "secret" not in text
    with pytest.raises(Rejected) as caught:
        parse_event(ImageEvent, json.dumps(ANNOUNCED | {"image_uri": f"{uri}#{SECRET}"}).encode())
    assert "secret" not in str(caught.value) + json.dumps(caught.value.details)


def test_an_event_from_the_ledger_has_the_same_identity() -> None:
    event = ImageEvent.model_validate(ANNOUNCED | {"image_uri": f"https://host/x?{SECRET}"})
    again = ImageEvent.model_validate(ANNOUNCED | {"image_uri": event.shown_uri})
    other = ImageEvent.model_validate(ANNOUNCED | {"image_uri": "https://host/x?id=8"})
    assert event.event_id == again.event_id
    assert event.event_id != other.event_id


def test_the_identity_of_an_announcement_is_pinned() -> None:
    event = ImageEvent.model_validate(ANNOUNCED | {"image_uri": "s3://incoming/a b+%20ü.dcm", "sha256": "0" * 64})
    assert event.event_id == "21ec576afb3eb78307dc5e481b0a84c8ed1c6206257fe043b90016953c78f56b"
