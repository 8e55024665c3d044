from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nestling.user_folders import cache_folder, config_folder

Folder = Callable[[], "Path | None"]

BOTH = pytest.mark.parametrize(
    ("folder", "variable", "windows", "linux", "mac"),
    [
        (cache_folder, "XDG_CACHE_HOME", "LOCALAPPDATA", ".cache", "Library/Caches"),
        (config_folder, "XDG_CONFIG_HOME", "APPDATA", ".config", "Library/Application Support"),
    ],
)


@BOTH
@pytest.mark.skipif(sys.platform == "win32", reason="homes and absolute paths of POSIX")
def test_a_folder_is_the_users(
    monkeypatch: pytest.MonkeyPatch, folder: Folder, variable: str, windows: str, linux: str, mac: str
) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv(variable, "/a/folder")
    assert folder() == Path("/a/folder")
    monkeypatch.setenv(variable, "no/absolute/path")
    assert folder() is None
    monkeypatch.delenv(variable)
    assert folder() == Path("/home/somebody", linux)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert folder() == Path("/home/somebody", mac)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv(windows, "/of/windows")
    assert folder() == Path("/of/windows")
    monkeypatch.delenv(windows)
    assert folder() is None


@BOTH
def test_a_user_without_a_home_has_none(
    monkeypatch: pytest.MonkeyPatch, folder: Folder, variable: str, windows: str, linux: str, mac: str
) -> None:
    def nobody(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", nobody)
    monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert folder() is None
