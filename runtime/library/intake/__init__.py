"""Documents and files in, passages with codes committed."""
