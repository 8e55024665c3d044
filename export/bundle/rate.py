"""What was measured of a bundle's quality on whole collections, written into its report afterwards.

The runtime shows it and chooses widths by it, see `bundle.quality` and `bundle.relevance`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ...bundle.manifest import MANIFEST, Bundle, BundleFile, read_bundle
from ...bundle.quality import read_quality
from ...bundle.relevance import read_relevance
from ...bundle.report import REPORT
from ...disk import hash_file
from ...errors import BundleError
from ..errors import ExportError
from .install import put_in_place

MEASURED = ("quality", "relevance")


def rate(folder: Path, study: Mapping[str, object]) -> Bundle:
    """Write what a study measured of a bundle into its report, in place of what it says of that.

    Args:
        study: `quality`, by a variant's name, `{"documents": percent, "queries": percent}`, see
            `bundle.quality.Quality`, or `relevance`, see `bundle.relevance`, or both; what else it has is left alone.

    Returns:
        The bundle, read back.

    Raises:
        ExportError: it has neither, or they are not as described, or the bundle has no report to write them into.
        BundleError: the bundle is damaged.
    """
    measured = {name: study[name] for name in MEASURED if name in study}
    if not measured:
        raise ExportError(f"the study has neither {' nor '.join(MEASURED)}; measure them first")
    bundle = read_bundle(folder)
    bundle.verify()
    if REPORT not in bundle.files:
        raise ExportError(f"{folder}: has no {REPORT} to write into; build the bundle again")
    try:
        report = {**json.loads((folder / REPORT).read_bytes()), **measured}
    except (ValueError, TypeError, RecursionError) as error:
        raise ExportError(f"{folder / REPORT}: is no report ({error}); build the bundle again") from error
    with tempfile.TemporaryDirectory() as made:
        staged = Path(made)
        (staged / REPORT).write_text(json.dumps(report, indent=2, sort_keys=True) + "\n")
        written = BundleFile((staged / REPORT).stat().st_size, hash_file(staged / REPORT))
        rated = replace(bundle, folder=staged, files={**bundle.files, REPORT: written})
        try:
            read_quality(rated)
            read_relevance(rated)
        except BundleError as error:
            reason = error.__cause__
            raise ExportError(f"{folder}: that is no study of it ({reason}); measure it again") from error
        (staged / MANIFEST).write_text(rated.manifest())
        put_in_place(staged, folder, (REPORT, MANIFEST))
    return read_bundle(folder)
