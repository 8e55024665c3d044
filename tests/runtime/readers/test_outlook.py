"""Outlook's own files: made into messages as other programs write them."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from nestling.document import Document
from nestling.readers import read_here
from nestling.readers.mail.outlook import message_bytes
from nestling.readers.text import Unreadable

pytest.importorskip("olefile")

FILES = Path(__file__).parent / "files"


def opened(path: Path) -> EmailMessage:
    message = message_from_bytes(message_bytes(path), policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_a_message_is_read_as_any_other_with_all_that_it_carries() -> None:
    (found,) = read_here(FILES / "order.msg")
    assert isinstance(found, Document)
    assert found.title == "Dressings for June – Grüße"
    assert found.metadata == {
        "from": "Petra Vogelsang <petra@example.org>",
        "to": "Haddad, Omar <omar@example.net>",
        "cc": "Lin Wei <lin@example.com>",
        "date": "2024-06-01T06:30:00Z",
    }
    for said in ("as Lin says below.", "order März.txt", "Forty packs of tulle.", "Stock of Köln", "Two boxes"):
        assert found.text.count(said) == 1, said


def test_headers_and_both_bodies_are_there() -> None:
    message = opened(FILES / "order.msg")
    assert {name: str(message[name]) for name in ("Subject", "From", "To", "Cc", "Date")} == {
        "Subject": "Dressings for June – Grüße",
        "From": "Petra Vogelsang <petra@example.org>",
        "To": '"Haddad, Omar" <omar@example.net>',
        "Cc": "Lin Wei <lin@example.com>",
        "Date": "Sat, 01 Jun 2024 06:30:00 +0000",
    }
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content() == "Please order the dressings, as Lin says below.\n"
    assert "<b>dressings</b>" in html.get_content()


def test_what_is_attached_is_there_with_its_name_and_a_message_as_a_message() -> None:
    text, inner = opened(FILES / "order.msg").iter_attachments()
    assert (text.get_filename(), text.get_content()) == ("order März.txt", "Forty packs of tulle.\n")
    assert inner.get_content_type() == "message/rfc822"
    message = inner.get_content()
    assert (message["Subject"], message["From"]) == ("Stock of Köln", "Lin Wei <lin@example.com>")
    assert message.get_content() == "Two boxes of gauze are left in the blue cupboard.\n"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"From: a@b\n\nwords", "is no message of Outlook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is damaged (not an OLE2 structured storage file)"),
    ],
)
def test_what_is_no_message_of_outlook_says_so(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "a.msg"
    path.write_bytes(data)
    with pytest.raises(Unreadable, match=f"^{re.escape(reason)}$"):
        message_bytes(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_half_a_file_is_read_or_says_so(tmp_path: Path, share: float) -> None:
    path = tmp_path / "a.msg"
    data = (FILES / "order.msg").read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    try:
        assert b"Subject:" in message_bytes(path)
    except Unreadable as reason:
        assert str(reason).startswith("is damaged (")
