"""Names for the arrays that go from room to room; shapes are said where they are used."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]
Keys = npt.NDArray[np.int64]  # of vectors, passages or documents
Rows = npt.NDArray[np.int64]  # positions along the first axis of another array
Counts = npt.NDArray[np.int64]  # how many, one a row
Ids = npt.NDArray[np.int64]  # token ids of one text
Mask = npt.NDArray[np.bool_]
