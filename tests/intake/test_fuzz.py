"""Changed and cut files give a view or a reason, never another error."""

import os
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.common.errors import Rejected
from services.intake.decode import DECODE_REASONS
from services.intake.decoder.process import DecoderPool
from services.intake.settings import Limits
from services.intake.standardise import StandardView, standardise
from tests.intake.mutate import made
from tests.intake.samples import SAMPLES

LIMITS = Limits(least_side=32, most_pixels=2_000_000, most_bytes=4_000_000)
SIGNATURES = [
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"BM",
    b"II*\0",
    b"MM\0*",
    b"II+\0",
    bytes(128) + b"DICM",
    b"\x08\0",
]
SEEDS = list(SAMPLES.values())
FUZZ_INPUTS = int(os.environ.get("XRAY_FUZZ_INPUTS", "300"))
"""How many inputs the last test decodes; CI decodes the first 300, a longer search takes some 20,000."""
MEMORY_MB = 256


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good file with up to eight changed bytes, mostly in its headers, and perhaps cut or doubled."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 8))):
        place = draw(st.one_of(st.integers(0, min(700, len(data) - 1)), st.integers(0, len(data) - 1)))
        data[place] = draw(st.integers(0, 255))
    if draw(st.booleans()):
        start, length = draw(st.integers(0, len(data))), draw(st.integers(0, 400))
        del data[start : start + length]
    if draw(st.booleans()):
        del data[draw(st.integers(0, len(data))) :]
    return bytes(data)


def outcome(data: bytes) -> StandardView | str:
    """The view, or the reason of its rejection; any other error fails the test."""
    try:
        return standardise(data, "DV", LIMITS)
    except Rejected as refused:
        return refused.reason


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(damaged())
def test_a_damaged_file_gives_a_view_or_a_reason(data: bytes) -> None:
    result = outcome(data)
    if isinstance(result, str):
        assert result.isidentifier()
    else:
        assert result.pixels.shape == (448, 448)
        assert np.isfinite(list(result.scores.values())).all()


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.sampled_from(SIGNATURES), st.binary(max_size=300))
def test_noise_behind_a_signature_gives_a_reason(start: bytes, rest: bytes) -> None:
    assert isinstance(outcome(start + rest), str)


def resident_peak_mb(pool: DecoderPool) -> float:
    child = pool._all[0]._child
    if child is None:
        return 0.0
    status = Path(f"/proc/{child.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def reason_of(data: bytes, pool: DecoderPool) -> str:
    try:
        pool.decode(data)
    except Rejected as rejected:
        return rejected.reason
    return "decoded"


@pytest.mark.timeout(60 + FUZZ_INPUTS)
def test_hostile_files_are_decoded_or_have_a_reason() -> None:
    """No crash, no hang, no memory above the limit. XRAY_FUZZ_INPUTS is the number of inputs."""
    limits = LIMITS.model_copy(update={"decoder_cpu_seconds": 5.0, "decoder_memory_mb": MEMORY_MB})
    reasons, odd, peak = Counter[str](), dict[int, str](), 0.0
    with closing(DecoderPool("test", limits, 1)) as pool:
        pool.start()
        for number in range(FUZZ_INPUTS):
            data = made(number)
            started = time.monotonic()
            reason = reason_of(data, pool)
            reasons[reason] += 1
            seconds = time.monotonic() - started
            if reason not in {*DECODE_REASONS, "decoded"} or seconds > limits.decoder_seconds:
                odd[number] = f"{reason} after {seconds:.1f} s"
            if number % 50 == 0:
                peak = max(peak, resident_peak_mb(pool))
    print(f"{FUZZ_INPUTS} inputs, peak {peak:.0f} MB: {dict(reasons)}")  # noqa: T201
    assert not odd
    assert peak < MEMORY_MB + 150, "the libraries take about 100 MB"
    assert reasons["decoded"] > FUZZ_INPUTS / 50, "some inputs get as far as the pixels"
