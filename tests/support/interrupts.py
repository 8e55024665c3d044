"""Ctrl-C at moments that are drawn by chance, the same in every run."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator


def interrupted(work: Callable[[], object], longest: float, times: int) -> Iterator[bool]:
    """Call something so many times, each with an interrupt on its way, and say of each whether it was interrupted.

    Args:
        longest: seconds that it takes; the interrupt comes within them.
    """
    moments = random.Random(0)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        for _ in range(times):
            try:
                signal.setitimer(signal.ITIMER_REAL, moments.uniform(1e-5, longest))
                work()
                signal.setitimer(signal.ITIMER_REAL, 0)
                was = False
            except KeyboardInterrupt:
                was = True
            yield was
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
