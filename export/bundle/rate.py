"""What was measured of a bundle's quality on whole collections, written into its report afterwards.

The runtime shows it and chooses widths by it, see `bundle.quality`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ...bundle.manifest import MANIFEST, Bundle, File, read_bundle
from ...bundle.quality import REPORT, read_quality
from ...disk import hash_file
from ...errors import BundleError
from ..errors import ExportError
from .install import put_in_place


def rate(folder: Path, quality: Mapping[str, object]) -> Bundle:
    """Write the quality of a bundle's variants into its report, in place of what it says of quality.

    Args:
        quality: by a variant's name, `{"documents": percent, "queries": percent}`, see `bundle.quality.Quality`.

    Returns:
        The bundle, read back.

    Raises:
        ExportError: that is no quality of this bundle's variants, or the bundle has no report to write it into.
        BundleError: the bundle is damaged.
    """
    bundle = read_bundle(folder)
    bundle.verify()
    if REPORT not in bundle.files:
        raise ExportError(f"{folder}: has no {REPORT} to write into; build the bundle again")
    try:
        report = {**json.loads((folder / REPORT).read_bytes()), "quality": quality}
    except (ValueError, TypeError, RecursionError) as error:
        raise ExportError(f"{folder / REPORT}: is no report ({error}); build the bundle again") from error
    with tempfile.TemporaryDirectory() as made:
        staged = Path(made)
        (staged / REPORT).write_text(json.dumps(report, indent=2, sort_keys=True) + "\n")
        written = File((staged / REPORT).stat().st_size, hash_file(staged / REPORT))
        rated = replace(bundle, folder=staged, files={**bundle.files, REPORT: written})
        try:
            read_quality(rated)
        except BundleError as error:
            reason = error.__cause__
            raise ExportError(f"{folder}: that is no quality of its variants ({reason}); measure it again") from error
        (staged / MANIFEST).write_text(rated.manifest())
        put_in_place(staged, folder, (REPORT, MANIFEST))
    return read_bundle(folder)
