"""Notes in Markdown, and what they say of themselves."""
