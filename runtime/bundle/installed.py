"""Bundles by name: the one that ships with Nestling, and those of data packages such as `nestling-multi`.

A data package has no code: it puts the folder `nestling_bundles/NAME` where Python's packages are. Only there, and
beside Nestling itself, it is looked for; never on the import path, which the current folder may be part of.
"""

from __future__ import annotations

import site
from importlib.util import find_spec
from pathlib import Path

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
    shipped = _shipped()
    if shipped is None:
        raise BundleError("the package nestling.models is missing; install Nestling again")
    return shipped / DEFAULT


def bundle_folder(named: str | Path | None) -> Path:
    """The folder of a bundle.

    Args:
        named: the name of an installed bundle, with or without `nestling-` in front; or a folder, as a `Path`, or
            written with a `/` where an installed bundle has its name. None for the one that ships with Nestling.

    Raises:
        BundleError: a string is neither such a name nor the path of anything that is there.
    """
    if named is None:
        return default_bundle()
    path = Path(named)
    if isinstance(named, Path) or {"/", "\\"} & set(named) or named in ("", ".", ".."):
        return path
    found = installed_as(named)
    if found is None and not _is_there(path):
        known = ", ".join(sorted(installed()))
        raise BundleError(f"{named}: is no installed bundle and no folder; expected {known}, or a bundle's folder")
    return found or path


def installed_as(name: str) -> Path | None:
    """The folder of the installed bundle of a name, with or without `nestling-` in front."""
    found = installed()
    return found.get(name) or found.get(_PREFIX + name)


def installed() -> dict[str, Path]:
    """The folders of all installed bundles, by name."""
    here = Path(__file__).parents[2]  # where this Nestling is
    places = [here, *map(Path, site.getsitepackages())]
    if site.ENABLE_USER_SITE:
        places.append(Path(site.getusersitepackages()))
    folders = [place / _FOLDER for place in places]
    found: dict[str, Path] = {}
    for folder in ([shipped] if (shipped := _shipped()) else []) + folders:
        for path in sorted(folder.glob(f"*/{MANIFEST}")):
            found.setdefault(path.parent.name, path.parent)
    return found


def _shipped() -> Path | None:
    """The folder with the bundle that ships with Nestling."""
    package = __name__.rsplit(".", 2)[0]  # `nestling`, or where another program carries it
    spec = find_spec(f"{package}.models")
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long a name, or a NUL in it
        return False
