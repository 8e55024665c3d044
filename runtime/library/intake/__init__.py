"""Documents in; passages with their codes in the library's file out.

folders finds files, sync decides which to read and what is gone, intake takes documents in: chunk cuts them into
passages, encoders turns these into codes, and groups of documents are committed. refine encodes again, later, what is
of another width; document_width says which width that is.

Open intake.py first, for files sync.py.
"""
