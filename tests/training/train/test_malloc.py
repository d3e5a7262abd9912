import resource
import subprocess
import sys

import pytest

_TOUCH = """
import resource, sys
import numpy as np
from training.train.hardware import disable_malloc_trim
if sys.argv[1] == "keep":
    assert disable_malloc_trim()
np.ones(4_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(4_000_000)
sys.stdout.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before))
"""


def _page_faults(mode: str) -> int:
    done = subprocess.run([sys.executable, "-c", _TOUCH, mode], check=True, capture_output=True, text=True)
    return int(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_memory_that_was_freed_is_used_again_without_the_kernel() -> None:
    blocks_of_pages = 20 * 4_000_000 * 8 // resource.getpagesize()
    assert _page_faults("keep") < blocks_of_pages / 100
    # With transparent huge pages a fault may bring 512 pages at once.
    assert _page_faults("default") >= 20
