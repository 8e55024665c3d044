"""Documents of formats that cannot be read are named in the report of a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from nestling import Library
from nestling.document import Skip
from nestling.encoding.encoder import Encoder
from nestling.readers import can_read, known_suffixes, read_here


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.pages", b"PK\x03\x04", "is a file of Apple Pages, which is not read; save it as PDF or .docx"),
        ("a.WPD", b"\xffWPC", "is a file of WordPerfect, which is not read; save it as PDF or .docx"),
        ("a.lwp", b"WordPro", "is a file of Lotus Word Pro, which is not read; save it as PDF or .docx"),
        ("a.gdoc", b'{"url": ""}', "is a file of Google Docs, which is not read; save it as PDF or .docx"),
        ("a.wk4", b"\0\0\x1a\0", "is a file of Lotus 1-2-3, which is not read; save it as PDF or .docx"),
        ("a.pst", b"!BDN", "is a file of Outlook, which is not read; export its messages as .eml or .mbox"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    assert list(read_here(path)) == [Skip(str(path), reason)]


def test_what_only_has_the_suffix_is_no_document(tmp_path: Path) -> None:
    path = tmp_path / "server.key"
    path.write_text("-----BEGIN PRIVATE KEY-----")
    assert list(read_here(path)) == []


@pytest.mark.parametrize("index", ["Index.zip", "index.xml", "index.apxl.gz"])
def test_a_document_that_is_a_folder_is_named_and_goes_with_it(tmp_path: Path, encoder: Encoder, index: str) -> None:
    bundle = tmp_path / "folder" / "talk.KEY"
    bundle.mkdir(parents=True)
    (bundle / index).write_bytes(b"any")
    (bundle / "Metadata.xml").write_bytes(b"<a/>")
    (bundle / "notes.txt").write_text("A file within it that can be read.")
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        report = library.sync(tmp_path / "folder")
        assert [(Path(skip.source).name, skip.reason) for skip in report.skipped] == [
            (index, "is a file of Apple Keynote, which is not read; save it as PDF or .docx")
        ]
        assert report.added == 1
        (bundle / "notes.txt").unlink()
        (bundle / index).unlink()
        report = library.sync(tmp_path / "folder")
        assert (report.removed, report.skipped) == (1, ())


def test_a_folder_of_such_a_name_with_other_files_is_no_document(tmp_path: Path) -> None:
    assert not can_read(tmp_path / "landing.pages" / "style.css")
    assert not can_read(tmp_path / "site" / "index.xml")


def test_a_folder_names_them_once_and_no_message_says_that_they_can_be_read(tmp_path: Path, encoder: Encoder) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "plan.pages").write_bytes(b"PK\x03\x04")
    (folder / "id.pub").write_text("ssh-ed25519 AAAA")
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        report = library.sync(folder)
        assert [Path(skip.source).name for skip in report.skipped] == ["plan.pages"]
    assert ".pages" not in known_suffixes().split()
    assert {".doc", ".ppt", ".xls", ".rtf", ".ppsx", ".docm", ".xlsb"} <= set(known_suffixes().split())
