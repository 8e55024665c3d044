"""A teacher and texts in, a family of encoders in one space out.

Open `family.py` first. `students.py` nests the teacher (`nest.py`) and trains it (`distil.py`) on what `passages.py`
draws; `targets.py` fits the rotation, `static_table.py` the table for look-ups.
"""
