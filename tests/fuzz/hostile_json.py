"""JSON that two parsers read differently, or that asks too much of one: changed documents and raw bytes.

A document is parsed into a tree whose objects keep their pairs, so that a name may appear twice, and whose leaves may
be text that no JSON library writes.
"""

import copy
import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

_LONGEST: Final = 200_000
HOSTILE_TEXT: Final[tuple[str, ...]] = (
    *("", " ", "\0", "a\0b", "\x1b[31mred", "\x7f", "\x85", "\u2028", "\u202e", "\ufeff", "\ud800", "\udfff\ud800"),
    *("NA", "null", "0", "-", "None", "unknown", "١٢٣", "e\u0301", "\u212a", "ﬀ", "\N{MOUSE}" * 30, "withdrawn"),
    *("DV", "LAT", "DV ", "dv", "normal", "abnormal", "Abnormal", "phenotype", "shadow", "JAX", "IMPC_XRY_034_001"),
    *("=1+1", "';--", "%s%n", "../..", "{}", "[1]", "a" * 64, "A" * 64, "0" * 63 + "\n", "x" * 513, "ü" * 300),
    *("2024-02-30", "2024-05-01", "2024-05-01T24:00:00", "2024-05-01T10:00:60Z", "1e3", "NaN", "-0", "true"),
    *(
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59.9999999-14:00",
        "2024-05-01T10:00:00+23:59",
        "0001-01-01T00:00:00Z",
    ),
    *("9999-12-31T23:59:59Z", "1714550400"),
    *("s3://bucket/../x", "https://a@b/x", "https://127.0.0.1:1\\@h/x", "s3://b\0/x", "s3://bucket/" + "k" * 1024),
)
"""Text that some reader, store or terminal takes for something else."""
_NUMBERS: Final = (
    *("0", "-1", "1", "2", "32", "1.0", "1.5", "-0", "-0.0", "1e3", "1E400", "-1e400", "1e-400", "0.1e1"),
    *(str(2**31), str(2**53 + 1), str(2**63), str(-(2**63) - 1), str(2**64), "9" * 400, "9" * 5000, "1." + "0" * 400),
    *("1714550400", "1714550400000", "253402300800", "-62135596801", "1e20"),
)
_NOT_JSON: Final = (
    "NaN",
    "Infinity",
    "-Infinity",
    "01",
    "+1",
    ".5",
    "1.",
    "0x1",
    "True",
    "None",
    "'a'",
    "undefined",
    "",
)
_BYTES: Final = (
    *(b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xff", b"\0", b"\xef\xbb\xbf", b"\\u0000", b"\\ud800"),
    *(b"/*x*/", b"//x\n", b",", b"}", b"]", b"{", b'"', b"\\", b"\x1f", b"\x80"),
)


class Raw(str):
    """Text that stands in the JSON as it is."""

    __slots__ = ()


class Pairs(list[tuple[Any, Any]]):
    """An object: its names and values, in order."""


def changed_json(random: Random, seeds: Sequence[bytes]) -> bytes:
    """Return one of the documents after up to four changes of its tree and perhaps some of its bytes."""
    tree = json.loads(random.choice(seeds), object_pairs_hook=Pairs)
    for _ in range(random.choice((0, 1, 1, 1, 2, 2, 4))):
        random.choice(_CHANGES)(tree, random)
    data = _written(tree, random).encode(errors="surrogatepass")
    return changed_bytes(random, data, _BYTES) if random.random() < 0.2 else data


def changed_bytes(random: Random, data: bytes, pieces: Sequence[bytes]) -> bytes:
    """Return bytes with some of them cut, replaced, inserted or in another encoding."""
    at, length = random.randint(0, len(data)), random.choice((1, 1, 2, 9, 300))
    match random.randrange(8):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + data[at + length :]
        case 2:
            return data[:at] + random.randbytes(length) + data[at + length :]
        case 3:
            return data[:at] + data[max(0, at - length) : at] * random.choice((1, 2, 500)) + data[at:]
        case 4:
            return random.choice((b"\xef\xbb\xbf", b"\0", b" ", b"\n\n", b"\x1a")) + data
        case 5:
            return data + random.choice((b"\0", data, b" ", b"x"))
        case 6:
            return data.decode(errors="replace").encode(random.choice(("utf-16", "utf-16-le", "utf-32", "utf-7")))
        case _:
            return data[:at] + random.choice(pieces) + data[at:]


def hostile_value(random: Random) -> Any:
    """Return a value of any type, sometimes large or deep, sometimes not JSON at all."""
    match random.randrange(12):
        case 0:
            return random.choice((None, True, False))
        case 1 | 2 | 3:
            return random.choice(HOSTILE_TEXT)
        case 4 | 5:
            return Raw(random.choice(_NUMBERS))
        case 6:
            return Raw(random.choice(_NOT_JSON))
        case 7:
            return random.choice(("x", "\0", "\N{MOUSE}", "\ud800", "/", '"')) * random.choice(
                (100, 2049, _LONGEST // 4)
            )
        case 8:
            depth = random.choice((2, 9, 120, 300, 5000, 100_000))
            return Raw(random.choice(("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth, "[" * depth)))
        case 9:
            return [hostile_value(random) for _ in range(random.choice((0, 1, 3)))]
        case 10:
            return Pairs((random.choice(HOSTILE_TEXT), hostile_value(random)) for _ in range(random.choice((0, 1, 3))))
        case _:
            return [random.choice((None, 1, "x", 0.5))] * random.choice((20, 1000, 20_000))


def _written(node: Any, random: Random) -> str:
    if isinstance(node, Raw):
        return str(node)
    if isinstance(node, Pairs):
        return "{" + ",".join(f"{_written(name, random)}:{_written(value, random)}" for name, value in node) + "}"
    if isinstance(node, list):
        return "[" + ",".join(_written(one, random) for one in node) + "]"
    return json.dumps(node, ensure_ascii=random.random() < 0.7)


def _places(node: Any) -> list[tuple[Any, int]]:
    """Return every value of the tree as its container and its index there."""
    if not isinstance(node, list):
        return []
    children = [(node, index) for index in range(min(len(node), 40))]
    return children + [place for one, index in children for place in _places(_get(one, index))]


def _get(container: Any, index: int) -> Any:
    return container[index][1] if isinstance(container, Pairs) else container[index]


def _set(container: Any, index: int, value: Any) -> None:
    container[index] = (container[index][0], value) if isinstance(container, Pairs) else value


def _objects(tree: Any) -> list[Pairs]:
    return [one for one in (tree, *(_get(*place) for place in _places(tree))) if isinstance(one, Pairs) and one]


def _replace(tree: Any, random: Random) -> None:
    if places := _places(tree):
        _set(*random.choice(places), hostile_value(random))


def _exchange(tree: Any, random: Random) -> None:
    if places := _places(tree):
        _set(*random.choice(places), copy.deepcopy(_get(*random.choice(places))))


def _lengthen(tree: Any, random: Random) -> None:
    texts = [place for place in _places(tree) if isinstance(_get(*place), str) and not isinstance(_get(*place), Raw)]
    if texts:
        place = random.choice(texts)
        text, more = str(_get(*place)), random.choice(HOSTILE_TEXT)
        at = random.randint(0, len(text))
        _set(*place, text[:at] + more + text[at:])


def _repeat_name(tree: Any, random: Random) -> None:
    if objects := _objects(tree):
        found = random.choice(objects)
        name, value = random.choice(found)
        other = random.choice((hostile_value(random), value, "other"))
        found.insert(random.choice((0, len(found))), (name, other))


def _escape_name(tree: Any, random: Random) -> None:
    if objects := _objects(tree):
        found = random.choice(objects)
        index = random.randrange(len(found))
        name, value = found[index]
        if name and not isinstance(name, Raw):
            found[index] = (Raw(f'"\\u{ord(name[0]):04x}{name[1:]}"'), value)


def _rename(tree: Any, random: Random) -> None:
    if objects := _objects(tree):
        found = random.choice(objects)
        index = random.randrange(len(found))
        name, value = found[index]
        other = random.choice((str(name).upper(), f"{name} ", f"{name}\0", random.choice(HOSTILE_TEXT)))
        found[index] = (other, value)


def _drop(tree: Any, random: Random) -> None:
    if objects := _objects(tree):
        found = random.choice(objects)
        del found[random.randrange(len(found))]


def _add(tree: Any, random: Random) -> None:
    if objects := _objects(tree):
        many = random.choice((1, 1, 1, 70, 3000))
        pairs = [(f"{random.choice(HOSTILE_TEXT)[:20]}{number}", "x") for number in range(many)]
        random.choice(objects).extend([*pairs[1:], (random.choice(HOSTILE_TEXT), hostile_value(random))])


def _many(tree: Any, random: Random) -> None:
    lists = [one for one in (_get(*place) for place in _places(tree)) if type(one) is list and one]
    if lists:
        found = random.choice(lists)
        times = min(random.choice((2, 20, 500)), 1 + _LONGEST // len(repr(found)))
        found[:] = [copy.deepcopy(one) for _ in range(times) for one in found]  # a later change concerns one of them


_CHANGES: Final[tuple[Callable[[Any, Random], None], ...]] = (
    *(_replace, _replace, _replace, _exchange, _lengthen, _lengthen),
    *(_repeat_name, _repeat_name, _escape_name, _rename, _drop, _add, _many),
)
