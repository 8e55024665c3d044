"""Mail as it arrives in truth: encoded badly, cut, with what lists and programs put around it."""

from __future__ import annotations

import base64
import time
from pathlib import Path

import pytest

from letters import FROM, HEADERS, attached, mixed, read, text

FOOTER = "_______________\nward mailing list\nUnsubscribe: https://example.org/?id=20\n"
LONG = "Keep the dressing dry for two days, then come back to the ward. " * 3 + "Ana"


def encoded(said: str, encoding: str = "base64", kind: str = "text/plain; charset=utf-8") -> str:
    body = base64.encodebytes(said.encode()).decode()
    return f"Content-Type: {kind}\nContent-Transfer-Encoding: {encoding}\n\n{body}"


@pytest.mark.parametrize("said", [LONG, f"{LONG}!", f"{LONG}!!", "Grüße!", "x" * 57, "x" * 114])
@pytest.mark.parametrize("between", ["", "\n", "\n\n"])
@pytest.mark.parametrize("footer", [FOOTER, "Unsubscribe\nhere: http://x.org\n", "Grüße, the list\n", "-- \nList\n"])
def test_a_footer_behind_base64_is_text_and_harms_none(tmp_path: Path, said: str, between: str, footer: str) -> None:
    whole = text(tmp_path, f"{HEADERS}{encoded(said)}{between}{footer}")
    assert whole == f"{said}\n\n{footer.strip()}"


@pytest.mark.parametrize("said", ["base64", "BASE64 ", '"base64"', "base-64", "base64 (by a gateway)", "Base64;"])
def test_an_encoding_is_known_however_it_is_written(tmp_path: Path, said: str) -> None:
    assert text(tmp_path, HEADERS + encoded("naïve", said)) == "naïve"


@pytest.mark.parametrize(
    ("encoding", "body", "expected"),
    [
        ("base64", "bmHDr3Zl", "naïve"),
        ("base64", "bmHDr3ZlIQ", "naïve!"),  # not filled up
        ("base64", "bmHDr3ZlI", "naïve"),  # cut
        ("base64", "bmHDr3Zl\n\nIGFuZCB3\n\naXNl", "naïve and wise"),  # an empty line behind each
        ("base64", "bmHDr3ZlIQ==\nIGFuZCB3aXNl", "naïve! and wise"),  # each line filled up
        ("base64", "This was never encoded: naïve.", "This was never encoded: naïve."),
        ("quoted-printable", "na=C3=AFve= \n and wise=20", "naïve and wise"),
        ("quoted-printable", "5 = 2 + 3, =ZZ, na=c3=afve =", "5 = 2 + 3, =ZZ, naïve"),
        ("Quoted_Printable", "na=C3=AFve", "naïve"),
        ("8bits", "naïve =C3", "naïve =C3"),
        ("x-token", "naïve", "naïve"),
        ("utf-8", "naïve", "naïve"),
        ("x-uuencode", "before\nbegin 644 a.txt\n%=V]R9',\n`\nend\nbehind", "words\n\nbefore\nbehind"),
        ("uuencode", "never encoded", "never encoded"),
    ],
)
def test_a_broken_encoding_costs_no_text(tmp_path: Path, encoding: str, body: str, expected: str) -> None:
    head = f"{HEADERS}Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: {encoding}\n\n"
    assert text(tmp_path, head + body) == expected


def test_a_footer_behind_a_page_and_behind_what_is_attached_is_text(tmp_path: Path) -> None:
    page = encoded(f"<p>{LONG}</p>", kind="text/html; charset=utf-8")
    assert text(tmp_path, f"{HEADERS}{page}{FOOTER}") == f"{LONG}\n\n{FOOTER.strip()}"
    file = attached("n.txt", LONG.encode())
    body = mixed("Content-Type: text/plain\n\nsee", f"{file}\n{FOOTER}")
    assert text(tmp_path, HEADERS + body) == f"see\n\n[n.txt]\n{LONG}\n\n{FOOTER.strip()}"


def test_signs_within_base64_are_passed_over_and_told(tmp_path: Path) -> None:
    lines = encoded(LONG).splitlines(keepends=True)
    document, skips = read(tmp_path, HEADERS + "".join([*lines[:4], "!!!\n", *lines[4:], FOOTER]))
    assert document.text == f"{FROM}{LONG}\n\n{FOOTER.strip()}"
    assert skips == [("", "is damaged where it is encoded; what is left of it was read")]


@pytest.mark.parametrize("line", ["QUJD\n", "QQ==\n", "A\n", "=", "= ", "\n", "!\n", "QUJD" * 19 + "\n!\n"])
@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "uuencode"])
def test_the_time_to_decode_grows_with_the_length(tmp_path: Path, encoding: str, line: str) -> None:
    begin = time.process_time()
    read(tmp_path, f"{HEADERS}Content-Transfer-Encoding: {encoding}\n\nbegin 644 a\n{line * 200_000}")
    assert time.process_time() - begin < 10


PLAIN, HTML = "Content-Type: text/plain; charset=utf-8\n\n", "Content-Type: text/html; charset=utf-8\n\n"
AMP = "Content-Type: text/x-amp-html; charset=utf-8\n\n"
SHORT = "The furnace is inspected on Tuesday."


@pytest.mark.parametrize(
    "stub",
    [
        "[cid:image001.png@01D9A0]", "[cid:a@b]\n<https://example.org/x>", "This message requires an HTML viewer.",
        "Your mail client does not support HTML", "View it in your browser: https://example.org/furnace/tuesday",
        "Sie brauchen ein Programm, das HTML zeigt.", "-- \n", "*", "https://example.org/inspected-on-the-furnace",
    ],
)  # fmt: skip
@pytest.mark.parametrize("said", [SHORT, LONG, "Am Dienstag wird der Ofen geprüft.", "火曜日に炉の検査があります。"])
def test_where_the_plain_form_is_a_stub_the_page_is_read(tmp_path: Path, stub: str, said: str) -> None:
    found = text(tmp_path, HEADERS + mixed(f"{PLAIN}{stub}", f"{HTML}<p>{said}</p>", kind="alternative"))
    assert found.endswith(said)
    pictured = mixed(f"{HTML}<p>{said}</p>", "Content-Type: image/png\n\nx", kind="related", border="Y")
    assert text(tmp_path, HEADERS + mixed(f"{PLAIN}{stub}", pictured, kind="alternative")).endswith(said)


@pytest.mark.parametrize(
    ("plain", "page"),
    [
        (SHORT, f"<p>{SHORT}</p>"),
        ("The furnace is\ninspected on\nTuesday <https://example.org/x>.", f"<h1>{SHORT}</h1><p>Unsubscribe here"),
        ("火曜日に炉の\n検査があります。", "<p>火曜日に炉の検査があります。</p><p>東京"),
        (LONG, "<p>View in browser"),
        (SHORT, "<img alt=''>"),
    ],
)
def test_where_both_forms_say_the_same_the_plain_one_is_read(tmp_path: Path, plain: str, page: str) -> None:
    found = text(tmp_path, HEADERS + mixed(f"{PLAIN}{plain}", f"{HTML}{page}", kind="alternative"))
    assert found.startswith(plain)
    assert found in (plain, f"{plain}\n\nView in browser")


def test_a_page_that_can_move_is_a_page(tmp_path: Path) -> None:
    body = mixed(f"{PLAIN}see", f"{AMP}<p>moved", f"{HTML}<p>{SHORT}", kind="alternative")
    assert text(tmp_path, HEADERS + body) == SHORT
    assert text(tmp_path, f"{HEADERS}{AMP}<p>moved") == "moved"
    assert text(tmp_path, f"{HEADERS}Content-Type: application/xhtml+xml\n\n<p>moved</p>") == "moved"


@pytest.mark.parametrize(
    ("name", "table", "expected"),
    [
        (
            "t.csv", "id,title,text,ward,beds\nW3,Burns,Cool it.,three,12\nW4,,Splint it.,four,\n",
            "Burns\nCool it.\nid: W3\nward: three\nbeds: 12\nSplint it.\nid: W4\nward: four",
        ),
        ("t.tsv", "text\tward\nCool it.\tthree\n", "Cool it.\nward: three"),
        ("t.csv", "name,city\nBo,Ulm\n", "name: Bo\ncity: Ulm"),
        (
            "t.jsonl", '{"id": "W3", "text": "Cool it.", "metadata": {"wards": ["a", 3], "open": true, "left": null}}',
            "Cool it.\nid: W3\nwards: a, 3\nopen: true",
        ),
    ],
)  # fmt: skip
def test_of_a_table_that_is_attached_every_column_is_text(tmp_path: Path, name: str, table: str, expected: str) -> None:
    body = mixed(f"{PLAIN}see", attached(name, table.encode()))
    assert text(tmp_path, HEADERS + body) == f"see\n\n[{name}]\n{expected}"


def test_of_files_that_are_equal_each_name_is_told(tmp_path: Path) -> None:
    files = [attached(name, b"noted") for name in ("a.txt", "b.txt", "a.txt", "b.txt", "c.txt")]
    empty = [attached(name, b"") for name in ("d.txt", "e.txt")]
    found = text(tmp_path, HEADERS + mixed(f"{PLAIN}see", *files, *empty))
    assert found == "see\n\n[a.txt]\nnoted\n\n[b.txt]\n\n[c.txt]\n\n[d.txt]\n\n[e.txt]"
    other = attached("t.csv", b"name,city\nBo,Ulm\n")
    found = text(tmp_path, HEADERS + mixed(f"{PLAIN}see", attached("t.txt", b"name,city\nBo,Ulm\n"), other))
    assert found == "see\n\n[t.txt]\nname,city\nBo,Ulm\n\n[t.csv]\nname: Bo\ncity: Ulm"
