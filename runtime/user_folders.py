"""Where the system has a user's programs keep what can be made again, and what the user chose."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path | None:
    """The user's folder for what can be made again; None where the system names none."""
    return _folder("LOCALAPPDATA", "~/Library/Caches", "XDG_CACHE_HOME", "~/.cache")


def config_folder() -> Path | None:
    """The user's folder for what was chosen; None where the system names none."""
    return _folder("APPDATA", "~/Library/Application Support", "XDG_CONFIG_HOME", "~/.config")


def _folder(windows: str, mac: str, variable: str, otherwise: str) -> Path | None:
    """The folder by Windows' variable; elsewhere by XDG's, or else below the home, where a Mac has its own."""
    try:
        if sys.platform == "win32":
            base = os.environ.get(windows)
        else:
            base = os.environ.get(variable) or str(Path(mac if sys.platform == "darwin" else otherwise).expanduser())
    except RuntimeError:  # a user without a home
        return None
    return Path(base) if base and Path(base).is_absolute() else None
