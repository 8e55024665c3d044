"""The library's SQLite file: what stands in it, and all that reads or writes it.

schema has the tables, database opens the file and keeps its transactions. Over these are functions by what they do:
documents writes, passages reads for a search, full_text finds words, filters turns a `where` into SQL, file_state
remembers files, audit finds and mends damage, info and dump tell what is there. texts alone knows how a text is kept.

Open schema.py first, then documents.py.
"""
