"""Files of office programs: Office Open XML, OpenDocument, rich text, and the binary formats of before 2007."""
