from __future__ import annotations

import os
from pathlib import Path

import pytest

from nestling import Encoder
from nestling.processors import processors

BOUND = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.fixture
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of eight processors."""
    if hasattr(os, "sched_getaffinity"):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    else:
        monkeypatch.setattr(os, "cpu_count", lambda: 8)


def written(folder: Path, groups: str, files: dict[str, str]) -> tuple[Path, Path]:
    """A system's control groups in a folder."""
    for name, text in files.items():
        (folder / "mount" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "mount" / name).write_text(text)
    (folder / "groups").write_text(groups)
    return folder / "groups", folder / "mount"


@pytest.mark.usefixtures("eight")
@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 8),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "10000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "3200000 100000\n"}, 8),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "300000 100000\n"}, 3),
        ("0::/docker/123\n", {"cpu.max": "400000 100000\n"}, 4),
        ("0::/../../x\n", {"cpu.max": "400000 100000\n"}, 4),
        ("3:cpu,x:/y\n", {"cpu,x/y/cpu.cfs_quota_us": "250000", "cpu,x/y/cpu.cfs_period_us": "50000"}, 5),
        ("3:cpu,cpuacct:/docker/1\n", {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2),
        ("3:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
        ("3:memory:/\n0::/\n", {"memory/cpu.max": "100000 100000"}, 8),
        ("what is this\n\n::\n", {"cpu.max": "nothing"}, 8),
        ("0::/\n", {"cpu.max": "100000 0\n"}, 8),
    ],
)  # fmt: skip
def test_a_containers_quota_bounds_the_processors(
    tmp_path: Path, groups: str, files: dict[str, str], expected: int
) -> None:
    assert processors(*written(tmp_path, groups, files)) == expected


def test_without_control_groups_it_is_what_the_process_is_bound_to(tmp_path: Path) -> None:
    assert processors(tmp_path / "none", tmp_path) == BOUND


def test_an_encoder_takes_as_many_threads() -> None:
    with Encoder(width="static") as encoder:
        assert encoder.threads == processors()
