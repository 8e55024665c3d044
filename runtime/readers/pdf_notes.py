"""What people put on a PDF's pages: form values, text boxes and comments, a line each (ISO 32000, 12.5 and 12.7).

PDFium's text of a page holds what is printed on it alone.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from typing import Any

from .text import Unreadable
from .zipped import parsed

_HIDDEN, _PASSWORD = 1 << 1, 1 << 13  # of an annotation, of a field
_UTF16 = 2


def notes_of(pdf: Any, page: Any) -> Iterator[str]:
    """The lines for one page of a document whose forms were initialised, in the order of its annotations."""
    import pypdfium2.raw as raw

    silent = {raw.FPDF_ANNOT_LINK, raw.FPDF_ANNOT_POPUP}
    for number in range(raw.FPDFPage_GetAnnotCount(page)):
        annotation = raw.FPDFPage_GetAnnot(page, number)
        if not annotation:
            continue
        try:
            kind = raw.FPDFAnnot_GetSubtype(annotation)
            if kind in silent or raw.FPDFAnnot_GetFlags(annotation) & _HIDDEN:
                continue
            if kind == raw.FPDF_ANNOT_WIDGET:
                yield from _field(pdf, annotation)
            elif not raw.FPDFAnnot_HasKey(annotation, b"StateModel"):  # that somebody accepted a comment
                what = "Text box" if kind == raw.FPDF_ANNOT_FREETEXT else "Comment"
                author, text = _entry(annotation, b"T"), _entry(annotation, b"Contents") or _rich(annotation)
                if text:
                    yield f"{what} ({author}): {text}" if author else f"{what}: {text}"
        finally:
            raw.FPDFPage_CloseAnnot(annotation)


def xfa_values(pdf: Any) -> Iterator[str]:
    """The values in the data of an XFA form, whose pages only a few programs can show."""
    import pypdfium2.raw as raw

    for number in range(max(raw.FPDF_GetXFAPacketCount(pdf), 0)):
        size = raw.FPDF_GetXFAPacketName(pdf, number, None, 0)
        name = ctypes.create_string_buffer(size)
        raw.FPDF_GetXFAPacketName(pdf, number, name, size)
        needed = ctypes.c_ulong()
        if name.value != b"datasets" or not raw.FPDF_GetXFAPacketContent(pdf, number, None, 0, needed):
            continue
        data = ctypes.create_string_buffer(needed.value)
        raw.FPDF_GetXFAPacketContent(pdf, number, data, needed.value, needed)
        try:
            root = parsed(data.raw)
        except Unreadable:
            continue
        for one in root.iter():
            if isinstance(one.tag, str) and not len(one) and (text := " ".join((one.text or "").split())):
                yield f"Field ({one.tag.rpartition('}')[2]}): {text}"


def attachments_of(pdf: Any) -> list[str]:
    """The names of the files that are attached to a document as a whole."""
    import pypdfium2.raw as raw

    files = (raw.FPDFDoc_GetAttachment(pdf, number) for number in range(max(raw.FPDFDoc_GetAttachmentCount(pdf), 0)))
    return [_string(raw.FPDFAttachment_GetName, file) for file in files]


def attachments_on(page: Any) -> Iterator[str]:
    """The names of the files that are pinned to a page."""
    import pypdfium2.raw as raw

    for number in range(raw.FPDFPage_GetAnnotCount(page)):
        annotation = raw.FPDFPage_GetAnnot(page, number)
        if not annotation:
            continue
        try:
            if raw.FPDFAnnot_GetSubtype(annotation) == raw.FPDF_ANNOT_FILEATTACHMENT:
                file = raw.FPDFAnnot_GetFileAttachment(annotation)
                yield (_string(raw.FPDFAttachment_GetName, file) if file else "") or "a file"
        finally:
            raw.FPDFPage_CloseAnnot(annotation)


def _field(pdf: Any, annotation: Any) -> Iterator[str]:
    """A field's name and its value; nothing where it is empty, a button, or holds a password."""
    import pypdfium2.raw as raw

    form = pdf.formenv
    if form is None:  # a field of no form
        name, text = _entry(annotation, b"T"), _entry(annotation, b"V")
    else:
        kind = raw.FPDFAnnot_GetFormFieldType(form, annotation)
        if raw.FPDFAnnot_GetFormFieldFlags(form, annotation) & _PASSWORD and kind == raw.FPDF_FORMFIELD_TEXTFIELD:
            return
        name = _string(raw.FPDFAnnot_GetFormFieldAlternateName, form, annotation)
        name = name or _string(raw.FPDFAnnot_GetFormFieldName, form, annotation)
        text = _value(form, annotation, kind)
    if text:
        yield f"Field ({name}): {text}" if name else f"Field: {text}"


def _value(form: Any, annotation: Any, kind: int) -> str:
    import pypdfium2.raw as raw

    value = _string(raw.FPDFAnnot_GetFormFieldValue, form, annotation)
    if kind in (raw.FPDF_FORMFIELD_CHECKBOX, raw.FPDF_FORMFIELD_RADIOBUTTON):
        if not raw.FPDFAnnot_IsChecked(form, annotation):
            return ""
        chosen = _string(raw.FPDFAnnot_GetFormFieldExportValue, form, annotation)
        return "checked" if kind == raw.FPDF_FORMFIELD_CHECKBOX else chosen or value
    if kind in (raw.FPDF_FORMFIELD_COMBOBOX, raw.FPDF_FORMFIELD_LISTBOX):
        count = max(raw.FPDFAnnot_GetOptionCount(form, annotation), 0)
        chosen_ones = [one for one in range(count) if raw.FPDFAnnot_IsOptionSelected(form, annotation, one)]
        labels = (_string(raw.FPDFAnnot_GetOptionLabel, form, annotation, one) for one in chosen_ones)
        return ", ".join(filter(None, labels)) or value
    return value if kind == raw.FPDF_FORMFIELD_TEXTFIELD else ""


def _entry(annotation: Any, key: bytes) -> str:
    """A text in an annotation's own dictionary."""
    import pypdfium2.raw as raw

    return _string(raw.FPDFAnnot_GetStringValue, annotation, key)


def _rich(annotation: Any) -> str:
    """The words of a comment that is there in its formatted form alone, which is XHTML."""
    text = _entry(annotation, b"RC")
    try:
        return " ".join(" ".join(parsed(text.encode()).itertext()).split()) if text else ""
    except (Unreadable, ValueError):  # ValueError: it names an encoding
        return text


def _string(read: Callable[..., int], *of: Any) -> str:
    """What one of PDFium's functions writes as UTF-16, on one line."""
    import pypdfium2.raw as raw

    size = read(*of, None, 0)
    if size <= _UTF16:
        return ""
    buffer = ctypes.create_string_buffer(size)
    read(*of, ctypes.cast(buffer, ctypes.POINTER(raw.FPDF_WCHAR)), size)
    return " ".join(buffer.raw[: size - _UTF16].decode("utf-16-le", "replace").split())
