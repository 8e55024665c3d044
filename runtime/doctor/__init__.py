"""Whether an installation works on this machine: every part is tried, and what does not work named with what to do.

`examination.examine` tries one part after the other, the risky ones each in a process of its own: what a wrong build or
an old processor makes of them ends that process alone. `samples.zip` has a small file of each format that is read, all
with the word `owls` in them: doc, odt, pdf, rtf, xls, xlsx and ods by LibreOffice 7.4 from a page and a table, odp and
ppt by it from the pptx, epub by pandoc 2.17, xlsb by SheetJS 0.18, msg by aspose-email-foss 26.3; the others as typed.
"""
