"""The export half: from a model's weights to a bundle. It needs the `export` extra; the runtime never imports it.

In: a recipe (TOML) and the weights it names. Out: a verified bundle's folder.
Open `build.py` first, which chains the steps; README.md beside it says how to write a recipe.
"""
