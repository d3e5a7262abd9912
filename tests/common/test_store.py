"""The object store's semantics, on a real server and on the tests' double: both must behave the same."""

import uuid
from collections.abc import Callable

import pytest

from deploy.local.stack import Stack
from services.common.errors import Fatal, Rejected
from services.common.settings import settings_of
from services.common.sources.uri import S3Uri
from services.common.store import ObjectStore
from tests.common.memory_store import MemoryStore

Store = ObjectStore | MemoryStore
Bucket = Callable[[str], Store]


@pytest.fixture(params=["memory", pytest.param("server", marks=pytest.mark.integration)])
def bucket(request: pytest.FixtureRequest) -> Bucket:
    """Open a bucket by name; none exists yet."""
    if request.param == "memory":

        def in_memory(name: str) -> Store:
            store = MemoryStore(name)
            store.exists_bucket = False
            return store

        return in_memory
    stack: Stack = request.getfixturevalue("stack")
    settings = settings_of(stack.environment())
    return lambda name: ObjectStore(settings.model_copy(update={"s3_bucket": name}))


@pytest.fixture
def store(bucket: Bucket) -> Store:
    store = bucket(f"test-{uuid.uuid4().hex}")
    assert store.create_bucket()
    return store


def test_a_bucket_is_created_once(bucket: Bucket) -> None:
    store = bucket(f"test-{uuid.uuid4().hex}")
    with pytest.raises(Fatal, match="xray init"):
        store.check_bucket()
    assert store.create_bucket()
    store.check_bucket()
    assert not store.create_bucket()


def test_the_last_put_replaces_the_object(store: Store) -> None:
    store.put("a/b", b"one")
    store.put("a/b", b"two", "image/png")
    assert store.get("a/b") == b"two"
    assert store.get_source(S3Uri(store.bucket, "a/b"), 10) == b"two"


def test_put_new_never_replaces(store: Store) -> None:
    assert store.put_new("a/b", b"one")
    assert not store.put_new("a/b", b"two")
    assert store.get("a/b") == b"one"


def test_a_missing_object_is_rejected(store: Store) -> None:
    with pytest.raises(Rejected) as caught:
        store.get("nothing")
    assert caught.value.reason == "object_missing"
    assert not store.exists("nothing")
    store.delete("nothing")


def test_a_large_object_is_rejected_with_its_size_and_the_limit(store: Store) -> None:
    store.put("large", b"x" * 10)
    assert store.get("large", limit=10) == b"x" * 10
    with pytest.raises(Rejected, match="large has 10 bytes, the limit is 9") as caught:
        store.get("large", limit=9)
    assert caught.value.reason == "file_too_large"
    assert caught.value.details == {"bytes": 10}


def test_an_object_that_somebody_else_named_is_read_or_refused(bucket: Bucket, store: Store) -> None:
    store.put("a b+%20/ü🐁#?", b"one")
    assert store.get_source(S3Uri(store.bucket, "a b+%20/ü🐁#?"), 10) == b"one"
    for uri, reason in (
        (S3Uri(store.bucket, "none"), "object_missing"),
        (S3Uri("no-such-bucket", "a"), "source_refused"),
    ):
        with pytest.raises(Rejected) as caught:
            store.get_source(uri, 10)
        assert caught.value.reason == reason
    with pytest.raises(Rejected, match="has 3 bytes, the limit is 2"):
        store.get_source(S3Uri(store.bucket, "a b+%20/ü🐁#?"), 2)
    with pytest.raises(Fatal, match=r"does not exist|NoSuchBucket"):
        bucket(f"test-{uuid.uuid4().hex}").get_source(S3Uri("no-such-bucket", "a"), 10)


def test_a_listing_holds_every_acknowledged_put_in_byte_order(store: Store) -> None:
    names = ["views/m/b", "views/m/B", "views/m/a", "views/m2/c", "views/m/a/deep"]
    for name in names:
        store.put(name, name.encode())
    assert store.keys("views/m/") == ["views/m/B", "views/m/a", "views/m/a/deep", "views/m/b"]
    assert store.keys("views/m/", limit=3) == ["views/m/B", "views/m/a", "views/m/a/deep"]
    assert store.keys("views/n/") == []
    store.delete("views/m/a")
    assert store.keys("views/m/") == ["views/m/B", "views/m/a/deep", "views/m/b"]


def test_an_etag_changes_with_the_bytes(store: Store) -> None:
    store.put("k", b"one")
    first = store.etags("k")
    store.put("k", b"one")
    assert store.etags("k") == first
    store.put("k", b"two")
    assert store.etags("k") != first
