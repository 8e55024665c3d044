"""Documents, files and folders in; ranked hits out; all of it in one file. `Library`, in library.py, is the facade.

intake: documents and folders to passages with codes, committed.
store: the SQLite file, which is the one truth.
search: a question to hits, over one snapshot of the file.

Open library.py first; it imports from search, search from intake, intake from store, and never back.
"""
