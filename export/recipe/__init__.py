"""A recipe file in, checked values and a folder of weights out; it imports no other room of the export half.

Open `recipe.py` first. Its tables are in `parts.py` and `training.py`; `recipe_file.py` reads them, `source.py` fetches
the weights.
"""
