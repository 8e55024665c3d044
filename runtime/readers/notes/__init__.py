"""Notes in Markdown and other markup, notebooks and outlines, and what they say of themselves."""
