"""How many processors this process may use: those it is bound to, and no more than its container's share of them."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

_GROUPS = Path("/proc/self/cgroup")
_MOUNT = Path("/sys/fs/cgroup")


def processors(groups: Path = _GROUPS, mount: Path = _MOUNT) -> int:
    """Processors that this process may use, 1 or more; a part of one that a quota leaves counts as one.

    Args:
        groups: what Linux says of the control groups of this process.
        mount: where these lie.
    """
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([bound, *(math.ceil(share) for share in _shares(groups, mount))]))


def _shares(groups: Path, mount: Path) -> Iterator[float]:
    """The quotas of this process's groups and of those around them, in processors."""
    try:
        lines = groups.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # no Linux
        return
    for line in lines:
        _, controllers, group = [*line.split(":", 2), "", ""][:3]
        within = [part for part in PurePosixPath(group).parts if part not in ("/", "..")]
        roots = [mount] if not controllers else [mount / controllers, mount / "cpu"]
        if controllers and "cpu" not in controllers.split(","):
            continue
        # A container sees its own group as the root, whatever it is called outside.
        folders = [root.joinpath(*within[:count]) for root in roots for count in range(len(within), -1, -1)]
        for folder in folders:
            with suppress(OSError, ValueError, IndexError, ZeroDivisionError):
                if controllers:
                    quota, period = (int((folder / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
                else:
                    quota, period = map(int, (folder / "cpu.max").read_text().split())  # "max" is no number
                if quota > 0 and period > 0:
                    yield quota / period
