"""How fast specimens are drawn while training: `python -m training.simulation.speed POPULATION COUNT PROCESSES`.

Prints the specimens per second of all processes together, the processor time of one, and the refusals of intake.
"""

import multiprocessing
import sys
import time
from collections import Counter
from functools import partial
from typing import Final

import cv2

from training.population import POPULATIONS, Population
from training.simulation.online import draw

_WARM_UP: Final = 1_000_000
"""A seed that is drawn before the clock starts: it loads the compiled code and the network of intake."""


def measure(part: int, population: Population, count: int) -> tuple[float, float, Counter[str]]:
    """Seconds and processor seconds of `count` draws in this process, and how many were refused, by reason."""
    cv2.setNumThreads(1)
    draw(_WARM_UP, population)
    refused: Counter[str] = Counter()
    started, used = time.perf_counter(), time.process_time()
    for seed in range(part * count, (part + 1) * count):
        draw(seed, population, refused=refused)
    return time.perf_counter() - started, time.process_time() - used, refused


def report(population: Population, count: int, processes: int) -> str:
    """One line on `count` specimens in each of so many processes at once."""
    # Not fork: a forked child of a process with OpenCV threads may hang.
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        results = pool.map(partial(measure, population=population, count=count), range(processes), chunksize=1)
    rate = sum(count / seconds for seconds, _, _ in results)
    used = sum(used for _, used, _ in results) / (count * processes) * 1000
    refused: Counter[str] = sum((reasons for _, _, reasons in results), Counter())
    share = sum(refused.values()) / (count * processes)
    return f"{population}: {rate:.1f} specimens/s, {used:.0f} ms of processor each, {share:.0%} refused {dict(refused)}"


if __name__ == "__main__":
    chosen = next(name for name in POPULATIONS if name == sys.argv[1])
    sys.stdout.write(report(chosen, int(sys.argv[2]), int(sys.argv[3])) + "\n")
