"""Mail: all that a message carries is read, and what cannot be is named; whom and when can be asked for."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from letters import FROM, HEADERS, HTML, PICTURE, PLAIN, attached, mixed, read, text
from nestling import Library
from nestling.document import Document, Skip, Value
from nestling.encoding.encoder import Encoder
from nestling.readers import can_read, read_file, read_here
from nestling.readers.mail import parts
from nestling.readers.mail.mailbox import messages
from nestling.readers.sandbox import Sandbox
from nestling.readers.text import MAX_FILE_BYTES

FILES = Path(__file__).parent / "files"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        # Apple Mail: text around a picture.
        (mixed(f"{PLAIN}one", PICTURE, f"{PLAIN}two"), "one\n\ntwo\n\n[p.png]"),
        # Apple Mail: both forms, what is attached within one of them.
        (
            mixed(f"{PLAIN}one two", mixed(f"{HTML}<p>one", PICTURE, f"{HTML}<p>two", border="Y"), kind="alternative"),
            "one two\n\n[p.png]",
        ),
        # Outlook: HTML with its pictures, beside a plain form that is blank.
        (
            mixed(f"{PLAIN} \xa0\n", mixed(f"{HTML}<p>one", PICTURE, kind="related", border="Y"), kind="alternative"),
            "one\n\n[p.png]",
        ),
        (mixed(f"{PLAIN}one  two", f"{HTML}<p>one <b>two", kind="alternative"), "one  two"),
        (mixed(f"{HTML}<p>rich", kind="alternative"), "rich"),
        (mixed(f"{HTML}<p>one", PICTURE, f"{HTML}<p>two"), "one\n\ntwo\n\n[p.png]"),
        (mixed(f"{PLAIN}text", "Content-Type: text/plain; name=n.txt\n\nmore"), "text\n\n[n.txt]\nmore"),
        # Signed: what is signed is text, the signature is not.
        (mixed(f"{PLAIN}text", attached("s.asc", b"x", "application/pgp-signature"), kind="signed"), "text\n\n[s.asc]"),
        (
            f"{PLAIN}-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\ntext\n-----BEGIN PGP SIGNATURE-----\n\niQ==\n"
            "-----END PGP SIGNATURE-----\n",
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\ntext",
        ),
        ("Content-Type: multipart/mixed\n\nno border", "no border"),
        (
            mixed(f"{PLAIN}late", "Content-Type: message/delivery-status\n\nStatus: 5.1.1\n\nTo: Bo", kind="report"),
            "late\n\nStatus: 5.1.1\n\nTo: Bo",
        ),
        (
            "Content-Type: text/plain; format=flowed\n\nA long \nline.\n> It was \n> quoted.\n\n-- \nAna",
            "A long line.\n> It was quoted.\n\n-- \nAna",
        ),
        ("Content-Type: text/plain; format=flowed; delsp=yes\n\n長い \n行", "長い行"),
        ("Content-Type: text/enriched\n\n<bold>loud</bold>", "loud"),
        ("Content-Type: text/plain; charset=gb2312\nContent-Transfer-Encoding: base64\n\n1uzpRrv5", "朱镕基"),
        (
            "Content-Type: text/plain; charset=utf8\nContent-Transfer-Encoding: quoted-printable\n\nna=C3=AF=\nve",
            "naïve",
        ),
        ("Content-Type: text/html; charset=utf-8\n\n<meta charset=iso-8859-1><p>naïve", "naïve"),
    ],
)  # fmt: skip
def test_every_text_of_a_message_is_read_once_and_in_its_order(tmp_path: Path, body: str, expected: str) -> None:
    assert text(tmp_path, HEADERS + body) == expected


def test_a_forwarded_message_is_read_with_its_headers(tmp_path: Path) -> None:
    inner = (
        "From: =?utf-8?q?J=C3=B6rg?= <j@example.org>\nTo: Bo <bo@example.org>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\n"
        "Subject: inner\n" + mixed(f"{PLAIN}wanted", attached("n.txt", b"noted"), border="Y")
    )
    body = mixed(f"{PLAIN}see below", f"Content-Type: message/rfc822\n\n{inner}")
    assert text(tmp_path, HEADERS + body) == (
        "see below\n\nFrom: Jörg <j@example.org>\nTo: Bo <bo@example.org>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\n"
        "Subject: inner\n\nwanted\n\n[n.txt]\nnoted"
    )
    encoded = mixed(
        f"{PLAIN}see below",
        "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
        + base64.encodebytes(inner.encode()).decode(),
    )
    assert "\n\nwanted\n\n[n.txt]\nnoted" in text(tmp_path, HEADERS + encoded)
    as_file = mixed(f"{PLAIN}see file", attached("fwd.eml", inner.encode()))
    assert "[fwd.eml]\n\nFrom: Jörg <j@example.org>" in text(tmp_path, HEADERS + as_file)


def test_what_is_attached_is_read_under_its_name(tmp_path: Path) -> None:
    pytest.importorskip("docx")
    body = mixed(
        f"{PLAIN}see files",
        attached("=?utf-8?b?R3LDvMOfZS5kb2N4?=", (FILES / "guide.docx").read_bytes()),
        attached("t.csv", "name;city\nBo;Köln\n".encode("cp1252"), "text/csv; charset=windows-1252"),
        attached("p.png", b"\x89PNG", "image/png"),
        attached("guide", (FILES / "guide.pdf").read_bytes(), "application/pdf"),
    )
    found = text(tmp_path, HEADERS + body)
    parts = found.split("\n\n[")
    assert parts[0] == "see files"
    assert parts[1].startswith("Grüße.docx]\n")
    assert "Amoxicillin" in parts[1]
    assert parts[2] == "t.csv]\nname: Bo\ncity: Köln"
    assert parts[3] == "p.png]"
    assert parts[4].startswith("guide]\n")
    assert "Leave blisters closed." in parts[4]


def test_what_is_attached_and_cannot_be_read_is_named(tmp_path: Path) -> None:
    body = mixed(
        f"{PLAIN}see files",
        attached("bad.pdf", b"%PDF-1.7 " + b"x" * 100),
        attached("a.zip", b"PK"),
        attached("winmail.dat", b"x" * 100, "application/ms-tnef"),
        attached("b.jsonl", b'{"id": "a", "text": "kept"}\n' + b"broken " * 20),
        attached("stub.pdf", b"\n"),  # that a program took out
    )
    document, skips = read(tmp_path, HEADERS + body)
    assert skips == [
        (":bad.pdf", "is no sound PDF"),
        (":a.zip", "is attached; files of its kind are not read"),
        (":winmail.dat", "is attached; files of its kind are not read"),
        (":b.jsonl:2", "is not JSON"),
    ]
    assert document.text.endswith(
        "see files\n\n[bad.pdf]\n\n[a.zip]\n\n[winmail.dat]\n\n[b.jsonl]\nkept\nid: a\n\n[stub.pdf]"
    )


@pytest.mark.parametrize(
    ("body", "skip"),
    [
        (mixed("Content-Type: application/pgp-encrypted\n\nVersion: 1", attached("x", b"x"), kind="encrypted"),
         ("", "is encrypted; its text cannot be read")),
        (attached("smime.p7m", b"x" * 100, "application/pkcs7-mime; smime-type=enveloped-data"),
         (":smime.p7m", "is encrypted; its text cannot be read")),
        (attached("smime.p7m", b"x" * 100, "application/pkcs7-mime; smime-type=signed-data"),
         (":smime.p7m", "is signed in a form that hides its text (S/MIME)")),
        (f"{PLAIN}-----BEGIN PGP MESSAGE-----\nCharset: utf-8\n\nhQEM\n-----END PGP MESSAGE-----\n",
         ("", "is encrypted; its text cannot be read")),
    ],
)  # fmt: skip
def test_what_is_encrypted_is_named(tmp_path: Path, body: str, skip: tuple[str, str]) -> None:
    document, skips = read(tmp_path, HEADERS + body)
    assert skips == [skip]
    assert (document.title, document.text) == ("s", "From: Ana <ana@example.org>")


def test_an_invitation_that_stands_in_a_message_twice_is_read_once(tmp_path: Path) -> None:
    calendar = (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Rounds\r\nLOCATION:Ward 3\r\n"
        "DTSTART:20240101T090000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    pytest.importorskip("icalendar")
    both = mixed(
        f"{PLAIN}Come.", f"Content-Type: text/calendar; method=REQUEST\n\n{calendar}", kind="alternative", border="Y"
    )
    found = text(
        tmp_path, HEADERS + mixed(both, attached("invite.ics", calendar.replace("\r\n", "\n").strip().encode()))
    )
    assert found.count("Ward 3") == 1
    assert found.startswith("Come.\n\n[unnamed.ics]\nRounds\n")


@pytest.mark.parametrize(
    ("headers", "title", "metadata"),
    [
        (
            "From: =?iso-8859-1?q?M=FCller=2C_J=F6rg?= <j@example.org>\nSubject: =?utf-8?b?w6TD?= =?utf-8?b?tsO8?=",
            "äöü",
            {"from": "Müller, Jörg <j@example.org>"},
        ),
        ("Subject: =?gb2312?B?1uzpRrv5?=\nFrom: \"朱\" <a@b>", "朱镕基", {"from": "朱 <a@b>"}),
        (
            'To: "Doe, Jane" <jane@x.org>, b@y.org;\n team: c@z.org, d@z.org;\nCc: e@z.org\nSubject: s',
            "s",
            {"to": ["Doe, Jane <jane@x.org>", "b@y.org", "team", "c@z.org", "d@z.org"], "cc": "e@z.org"},
        ),
        ("To: undisclosed-recipients:;\nSubject: folded\n subject", "folded subject", {"to": "undisclosed-recipients"}),
        ("From: a@b\nSubject: =?x-no?q?a?= =?utf-8?b?!!!?= rest", "a rest", {"from": "a@b"}),
    ],
)  # fmt: skip
def test_headers_are_decoded(tmp_path: Path, headers: str, title: str, metadata: Mapping[str, Value]) -> None:
    document, _ = read(tmp_path, f"{headers}\n\nbody")
    assert (document.title, document.metadata) == (title, metadata)


def test_headers_of_bytes_are_guessed(tmp_path: Path) -> None:
    document, _ = read(tmp_path, "From: Jörg <j@x.org>\nSubject: Grüße aus Zürich\n\nbody".encode("cp1252"))
    assert (document.title, document.metadata["from"]) == ("Grüße aus Zürich", "Jörg <j@x.org>")


def test_a_message_is_found_by_whom_it_concerns(tmp_path: Path, encoder: Encoder) -> None:
    message = (
        "From: Petra Vogelsang <petra@example.org>\nTo: Omar Haddad <omar@x.net>\nCc: Lin Wei <l@x.com>\n\nas agreed"
    )
    (tmp_path / "a.eml").write_text(message)
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        library.sync(tmp_path / "a.eml")
        for words in ("Vogelsang", "petra@example.org", "Haddad", "Lin Wei"):
            assert [hit.title for hit in library.search(words, mode="lexical")] == ["a"], words


def test_a_mailbox_is_cut_where_its_messages_begin(tmp_path: Path) -> None:
    path = tmp_path / "a.mbox"
    path.write_bytes(
        b"From - Mon Mar 02 10:00:00 2026\nX-Mozilla-Status: 0001\nSubject: thunderbird\n\nFrom now on 10 of us.\n"
        b">From the start\n>>From quoted\n\n"
        b"From a@b Mon Mar  2 10:00:00 2026\nSubject: unix\n\nsecond\n\nFrom here on\n\n"
        b"From 157394@xxx Tue Jan 14 02:29:11 +0000 2020\nSubject: takeout\n\nthird\n"
    )
    found = [item for item in read_here(path) if isinstance(item, Document)]
    assert [(item.title, item.text) for item in found] == [
        ("thunderbird", "From now on 10 of us.\nFrom the start\n>From quoted"),
        ("unix", "second\n\nFrom here on"),
        ("takeout", "third"),
    ]


def test_a_message_without_an_id_keeps_its_own_where_others_come_and_go(tmp_path: Path) -> None:
    path = tmp_path / "a.mbox"
    messages = [f"From a@b Mon Mar  2 10:00:0{n} 2026\nSubject: {n}\n\nbody\n\n" for n in range(3)]
    path.write_text("".join(messages))
    before = [item.id for item in read_here(path) if isinstance(item, Document)]
    path.write_text("".join(messages[1:]))
    assert [item.id for item in read_here(path) if isinstance(item, Document)] == before[1:]
    assert len(set(before)) == 3


def test_messages_of_one_id_are_all_kept_but_for_copies(tmp_path: Path) -> None:
    path = tmp_path / "a.mbox"

    def message(said: str, id: str = "Message-ID: <1@b>\n", labels: str = "Inbox") -> str:
        return f"From a@b Mon Mar  2 10:00:00 2026\n{id}X-Gmail-Labels: {labels}\nSubject: s\n\n{said}\n\n"

    def found(*messages: str) -> dict[str, str]:
        path.write_text("".join(messages))
        items = list(read_here(path))
        documents = [item for item in items if isinstance(item, Document)]
        assert len(documents) == len(items) == len({document.id for document in documents})
        return {document.text: document.id for document in documents}

    first, second, third = message("sent"), message("sent by a list"), message("sent again")
    ids = found(first, second, message("sent", labels="Sent"), third, second, first)
    assert list(ids) == ["sent", "sent by a list", "sent again"]
    assert ids["sent"] == f"{path}:<1@b>"
    assert found(message("other", id="Message-ID: <2@b>\n"), first, third, second).items() >= ids.items()
    assert list(found(message("same", id=""), message("same", id=""), message("new", id=""))) == ["same", "new"]
    assert len(found(*(message(f"{number}") for number in range(300)))) == 300


def test_a_message_is_found_by_its_id(tmp_path: Path, encoder: Encoder) -> None:
    (tmp_path / "a.eml").write_text("Message-ID: <CAB-1+x@mail.example.org>\n\nas agreed")
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        library.sync(tmp_path / "a.eml")
        (hit,) = library.search("agreed", where={"message_id": "CAB-1+x@mail.example.org"})
    assert hit.title == "a"


class Endless(io.RawIOBase):
    """A mailbox without an end."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = b"From a@b Mon Mar  2 10:00:00 2026\nSubject: s\n\nwords\n\n"
        buffer[: len(part)] = part
        return len(part)


def test_a_mailbox_is_read_a_message_at_a_time() -> None:
    found = islice(messages(io.BufferedReader(Endless())), 1000)
    assert [data.split(b"\n\n")[1] for data in found] == [b"words"] * 1000


def test_of_a_message_that_is_too_large_the_beginning_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.mbox"
    with path.open("wb") as stream:
        stream.write(b"From a@b Mon Mar  2 10:00:00 2026\nSubject: first\n\nbegin\n")
        stream.write(b"words and more words\n" * (MAX_FILE_BYTES // 20))
        stream.write(b"\nFrom a@b Mon Mar  2 10:00:00 2026\nSubject: next\n\nnext\n")
    with Sandbox() as sandbox:
        first, *skips, following = read_file(path, sandbox)
    assert isinstance(first, Document)
    assert isinstance(following, Document)
    assert first.text.startswith("begin\nwords and more words\n")
    assert following.text == "next"
    (skip,) = skips
    assert isinstance(skip, Skip)
    assert skip.source == f"{path}:1"
    assert skip.reason == f"has over {8 << 20} bytes; the rest of it was not read"


def test_messages_of_a_maildir_and_of_apple_mail_and_saved_pages_are_read(tmp_path: Path) -> None:
    for folder in ("cur", "new", "tmp"):
        (tmp_path / "Maildir" / folder).mkdir(parents=True)
    message = tmp_path / "Maildir" / "cur" / "1700000000.M1P2.host:2,S"
    assert can_read(message)
    assert not can_read(tmp_path / "Maildir" / "1700000000.M1P2.host:2,S")
    message.write_text(f"{HEADERS}\nkept")
    (document,) = read_here(message)
    assert isinstance(document, Document)
    assert document.text == f"{FROM}kept"
    body = f"{HEADERS}\nkept"
    document, skips = read(tmp_path, f"{len(body)}\n{body}<?xml version='1.0'?><plist/>", "a.emlx")
    assert (document.text, skips) == (f"{FROM}kept", [])
    page = mixed("Content-Type: text/html; charset=utf-8\n\n<title>T</title><p>naïve", kind="related")
    document, _ = read(tmp_path, f"From: <Saved by Blink>\nSubject: T\n{page}", "a.mhtml")
    assert (document.title, document.text) == ("T", "From: Saved by Blink\n\nnaïve")


def test_messages_within_messages_have_an_end(tmp_path: Path) -> None:
    deep = f"{PLAIN}deepest"
    for number in range(40):
        deep = mixed(f"{PLAIN}level {number}", deep, border=f"b{number}x")
    document, skips = read(tmp_path, HEADERS + deep)
    assert "level 39" in document.text
    assert "deepest" not in document.text
    assert skips == [("", f"stands in over {parts.MAX_DEPTH} other parts and was not read")] * 2


def test_of_very_many_files_that_are_attached_the_last_are_named(tmp_path: Path) -> None:
    body = mixed(*(attached(f"{number}.txt", b"words %d" % number) for number in range(parts.MAX_ATTACHED + 1)))
    document, skips = read(tmp_path, HEADERS + body)
    assert f"[{parts.MAX_ATTACHED - 1}.txt]\nwords {parts.MAX_ATTACHED - 1}" in document.text
    assert [name for name, _ in skips] == [f":{parts.MAX_ATTACHED}.txt"]


def test_what_is_attached_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "work"))
    (tmp_path / "work").mkdir()
    (tmp_path / "a.eml").write_text(HEADERS + mixed(f"{PLAIN}x", attached("a.txt", b"noted")))
    with Sandbox() as sandbox:
        (document,) = read_file(tmp_path / "a.eml", sandbox)
    assert isinstance(document, Document)
    assert document.text.endswith("[a.txt]\nnoted")
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize(
    "source",
    [
        "To: " + '"' * 60_000,
        "To: " + "a,(" * 60_000,
        "Subject: " + "=?utf-8?q?a?= " * 60_000,
        "X-A: b\n" * 50_000 + "Subject: s",
        PLAIN + "-----BEGIN PGP MESSAGE-----\n" * 50_000,
        "Content-Type: text/enriched\n\n" + "<param>" * 50_000,
        "Content-Type: multipart/mixed; boundary=x\n\n" + "--x\n\nwords\n" * 10_000,
    ],
)
def test_the_time_for_a_message_grows_with_its_length(tmp_path: Path, source: str) -> None:
    path = tmp_path / "a.eml"
    path.write_text(f"{source}\n\nbody")
    begin = time.monotonic()
    assert list(read_here(path))
    assert time.monotonic() - begin < 10  # of what takes half a second
