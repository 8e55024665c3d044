"""The export half: from a model's weights to a bundle. It needs the `export` extra; the runtime never imports it."""
