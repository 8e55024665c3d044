"""Contacts: cards of all versions, as telephones and address books write them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from nestling.document import Document, Skip
from nestling.readers import read_here

FILES = Path(__file__).parent / "files"


def cards(folder: Path, data: str | bytes) -> Path:
    path = folder / "a.vcf"
    path.write_bytes(data if isinstance(data, bytes) else data.replace("\n", "\r\n").encode())
    return path


def one(path: Path) -> Document:
    (item,) = read_here(path)
    assert isinstance(item, Document), item
    return item


def test_what_a_program_writes_is_a_card_a_document_in_both_versions() -> None:
    path = FILES / "ward.vcf"
    third, fourth = read_here(path)
    assert isinstance(third, Document)
    assert isinstance(fourth, Document)
    assert third == Document(
        f"{path}:dt2pa5zpvdxbrdzl013i3t6d9k87pa8ujfm5",
        "Address (home): Hauptstraße 5, Köln, 50667, Germany\nBirthday: 1980-05-02\nCategories: clinic, burns\n"
        "Email (work): petra@example.org\nNote: Knows where the dressings are; calls back, always.\n"
        "Organization: Klinik Süd\nPhone (cell): +49 170 1234567\nPhone (work): +49 221 5550\nJob: Head nurse",
        "Petra Vogelsang",
        {
            "email": "petra@example.org",
            "phone": ["+49 170 1234567", "+49 221 5550"],
            "organization": "Klinik Süd",
            "categories": ["clinic", "burns"],
            "birthday": "1980-05-02",
        },
        str(path),
    )
    assert fourth.metadata == third.metadata
    assert fourth.text == third.text.replace("1980-05-02", "19800502")


def test_quoted_printable_and_charsets_of_version_21_are_read(tmp_path: Path) -> None:
    # As telephones write it: each value in its own encoding, soft line breaks, a picture in base64.
    path = cards(
        tmp_path,
        "BEGIN:VCARD\nVERSION:2.1\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCller;J=C3=BCrgen;;Dr.;\n"
        "ADR;WORK;ENCODING=QUOTED-PRINTABLE;CHARSET=windows-1252:;;Hauptstra=DFe=\n 5;K=F6ln\nTEL;CELL;PREF:0170 12\n"
        "NOTE;ENCODING=QUOTED-PRINTABLE:first=0D=0Asec=\nond\nPHOTO;ENCODING=BASE64;JPEG:\n AAA\n BB==\n\nEND:VCARD\n",
    )
    found = one(path)
    assert found.title == "Dr. Jürgen Müller"
    assert found.text == "Address (work): Hauptstraße 5, Köln\nPhone (cell): 0170 12\nNote: first\nsecond"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_file_may_be_in_the_encoding_of_its_program(tmp_path: Path, encoding: str) -> None:
    card = "BEGIN:VCARD\r\nVERSION:2.1\r\nFN:Jürgen Müller\r\nADR:;;Große Straße 1;Köln\r\nEND:VCARD\r\n"
    found = one(cards(tmp_path, card.encode(encoding)))
    assert (found.title, found.text) == ("Jürgen Müller", "Address: Große Straße 1, Köln")


@pytest.mark.parametrize("version", ["2.1", "3.0", "4.0"])
def test_a_line_that_is_broken_within_a_character_is_whole(tmp_path: Path, version: str) -> None:
    head, name = f"BEGIN:VCARD\r\nVERSION:{version}\r\nFN:".encode(), "Jörg 山田太郎".encode()
    for at in range(1, len(name)):
        found = one(cards(tmp_path, head + name[:at] + b"\r\n " + name[at:] + b"\r\nEND:VCARD\r\n"))
        assert (found.title.replace(" ", ""), found.metadata) == ("Jörg山田太郎", {})


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"NOTE:J\xc3\xb6rg \xff, K\xc3\xb6ln", "Note: Jörg \ufffd, Köln"),
        (b"NOTE:K \xe6\x97", "Note: K \ufffd"),
        (b"NOTE;CHARSET=gb2312:\xd6\xec \xff", "Note: 朱 \ufffd"),
        (b"NOTE;CHARSET=gb2312;ENCODING=QUOTED-PRINTABLE:=D6=EC =FF", "Note: 朱 \ufffd"),
    ],
)
def test_characters_that_cannot_be_read_are_told(tmp_path: Path, line: bytes, shown: str) -> None:
    around = "ORG:" + "Grüße, " * 20
    path = cards(tmp_path, f"BEGIN:VCARD\r\n{around}\r\n".encode() + line + b"\r\nEND:VCARD\r\n")
    document, skip = read_here(path)
    assert isinstance(document, Document)
    assert document.text.split("\n")[1] == shown
    reason = "1 of its characters are not in its encoding and cannot be read; save it as UTF-8"
    assert skip == Skip(f"{path}:1", reason, within=True)


def test_groups_with_labels_folded_lines_and_escapes_are_read(tmp_path: Path) -> None:
    # As Apple's address book writes it.
    path = cards(
        tmp_path,
        "BEGIN:VCARD\nVERSION:3.0\nN:Haddad;Omar;;;\nFN:Omar Haddad\nORG:Acme\\, Ltd;Research\n"
        "item1.URL:https\\://exam\n ple.net\nitem1.X-ABLabel:_$!<HomePage>!$_\n"
        "item2.EMAIL;type=INTERNET;type=pref:o@example.net\n"
        "item2.X-ABLabel:lab\nNOTE:one\\ntwo\\; three\nX-PHONETIC-LAST-NAME:hadad\nEND:VCARD\n",
    )
    assert one(path).text == (
        "Organization: Acme, Ltd, Research\nWeb (HomePage): https://example.net\nEmail (lab): o@example.net\n"
        "Note: one\ntwo; three\nPhonetic last name: hadad"
    )


def test_a_card_without_a_name_is_called_by_what_it_has(tmp_path: Path) -> None:
    path = cards(tmp_path, "BEGIN:VCARD\nORG:Acme\nEND:VCARD\nBEGIN:VCARD\nEMAIL:a@b\nEND:VCARD\n")
    assert [item.title for item in read_here(path) if isinstance(item, Document)] == ["Acme", "a@b"]


def test_a_card_keeps_its_id_when_others_come_before_it_and_its_picture_changes(tmp_path: Path) -> None:
    lin = "BEGIN:VCARD\nFN:Lin\nREV:1\nPHOTO;ENCODING=b:AAAA\nEND:VCARD\n"
    before = one(cards(tmp_path, lin)).id
    again = lin.replace("AAAA", "BBBB").replace("REV:1", "REV:2")
    ids = [
        item.id
        for item in read_here(cards(tmp_path, "BEGIN:VCARD\nFN:Ana\nEND:VCARD\n" + again * 2))
        if isinstance(item, Document)
    ]
    assert ids[1:] == [before, f"{before} (2)"]


def test_what_is_broken_costs_itself_and_is_named(tmp_path: Path) -> None:
    path = cards(
        tmp_path,
        "BEGIN:VCARD\nFN:One\nNOTE:first\nsecond line\nBEGIN:VCARD\nFN:Two\nAGENT:\nBEGIN:VCARD\nFN:Inner\nEND:VCARD\n"
        "END:VCARD\nBEGIN:VCARD\nPHOTO;ENCODING=b:AAAA\nEND:VCARD\nBEGIN:VCARD\nFN:Last\n",
    )
    found = list(read_here(path))
    documents = [item for item in found if isinstance(item, Document)]
    assert [item.title for item in documents] == ["One", "Inner", "Two", "Last"]
    assert documents[0].text == "Note: first\nsecond line"
    cut = "is cut off before its end; what is there of it was read"
    assert [item for item in found if isinstance(item, Skip)] == [
        Skip(f"{path}:1", cut, within=True),
        Skip(f"{path}:12", "is a card without text"),
        Skip(f"{path}:15", cut, within=True),
    ]


def test_the_other_files_of_this_suffix_are_no_contacts(tmp_path: Path) -> None:
    path = cards(tmp_path, "##fileformat=VCFv4.2\n#CHROM\tPOS\n20\t14370\n")
    assert list(read_here(path)) == [Skip(str(path), "holds no contact (BEGIN:VCARD is missing)")]


@pytest.mark.parametrize("line", ["PHOTO;ENCODING=b:AA\n {}", "NOTE;ENCODING=QUOTED-PRINTABLE:a=\n{}", "NOTE:a\n{}"])
def test_a_long_value_takes_no_more_than_its_length(tmp_path: Path, line: str) -> None:
    def seconds(count: int) -> float:
        first, rest = line.split("\n")
        rest = rest.format("A" * 60) + ("=" if "QUOTED" in first else "")
        path = cards(tmp_path, "\n".join(["BEGIN:VCARD", "FN:x", first, *[rest] * count, "", "END:VCARD", ""]))
        begin = time.process_time()
        assert any(isinstance(item, Document) for item in read_here(path))
        return time.process_time() - begin

    seconds(10)
    assert seconds(80_000) < 16 * seconds(20_000)
