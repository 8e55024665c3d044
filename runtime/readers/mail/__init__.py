"""Mail: a message a document, with all that it carries; `message` first, then `parts`."""
