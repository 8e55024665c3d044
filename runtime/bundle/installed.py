"""Bundles by name: the one that ships with Nestling, and those of data packages such as `nestling-multi`.

A data package has no code: it puts the folder `nestling_bundles/NAME` where Python's packages are. Only there it is
looked for, never on the import path, which the current folder may be part of.
"""

from __future__ import annotations

import sysconfig
from importlib.util import find_spec
from pathlib import Path
from site import getusersitepackages

from ..errors import BundleError

DEFAULT = "nestling-en"
MANIFEST = "manifest.json"

_FOLDER = "nestling_bundles"
_PREFIX = "nestling-"


def default_bundle() -> Path:
    """The folder of the bundle that ships with Nestling.

    Raises:
        BundleError: this Nestling was installed without it.
    """
    return _shipped() / DEFAULT


def bundle_folder(named: str | Path | None) -> Path:
    """The folder of a bundle.

    Args:
        named: the name of an installed bundle, with or without `nestling-` in front; or a folder, which is written with
            a `/` where an installed bundle has its name; None for the bundle that ships with Nestling.

    Raises:
        BundleError: there is neither such a bundle nor such a folder.
    """
    if named is None:
        return default_bundle()
    path = Path(named)
    if len(path.parts) != 1 or path.name in ("", "..") or {"/", "\\"} & set(str(named)):
        return path
    found = installed_as(path.name)
    if found is None and not path.exists():
        known = ", ".join(sorted(installed()))
        raise BundleError(f"{path}: is no installed bundle and no folder; expected {known}, or a bundle's folder")
    return found or path


def installed_as(name: str) -> Path | None:
    """The folder of the installed bundle of a name, with or without `nestling-` in front."""
    found = installed()
    return found.get(name) or found.get(_PREFIX + name)


def installed() -> dict[str, Path]:
    """The folders of all installed bundles, by name."""
    folders = [_shipped()]
    for place in dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), getusersitepackages())):
        folders.append(Path(place) / _FOLDER)
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.glob(f"*/{MANIFEST}")):
            found.setdefault(path.parent.name, path.parent)
    return found


def _shipped() -> Path:
    """The folder with the bundle that ships with Nestling."""
    package = __name__.rsplit(".", 2)[0]  # `nestling`, or where another program carries it
    spec = find_spec(f"{package}.models")
    if spec is None or spec.origin is None:
        raise BundleError("the package nestling.models is missing; install Nestling again")
    return Path(spec.origin).parent
