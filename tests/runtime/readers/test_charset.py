"""Encodings: what programs wrote is read back, by the web's labels or by what the bytes look like."""

from __future__ import annotations

from pathlib import Path

import pytest

from nestling.document import Document, Skip
from nestling.readers import read_here
from nestling.readers.charset import Decoded, decoded, known

RUSSIAN = "Съешь же ещё этих мягких французских булок, да выпей чаю. Жили-были старик со старухой."
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。"
CHINESE = "学而时习之，不亦说乎？有朋自远方来，不亦乐乎？人不知而不愠，不亦君子乎？"
KOREAN = "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다."


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("gb2312", "gb18030"),
        ("GBK", "gb18030"),
        ("x-gbk", "gb18030"),
        ("Shift_JIS", "cp932"),
        ("x-sjis", "cp932"),
        ("iso-8859-1", "cp1252"),
        ("latin1", "cp1252"),
        ("us-ascii", "cp1252"),
        ("iso-8859-9", "cp1254"),
        ("euc-kr", "cp949"),
        ("ks_c_5601-1987", "cp949"),
        ("big5", "big5hkscs"),
        ("x-cp1251", "cp1251"),
        (' "UTF8" ', "utf-8"),
        ("tis-620", "cp874"),
        ("base64", None),
        ("idna", None),
        ("klingon", None),
        ("", None),
        (None, None),
    ],
)
def test_a_label_is_what_the_web_makes_of_it(label: str | None, name: str | None) -> None:
    assert known(label) == name


@pytest.mark.parametrize(
    ("label", "codec", "text"),
    [
        ("gb2312", "gbk", "朱镕基 and 囧"),  # two characters that GB 2312 has not
        ("shift_jis", "cp932", "①髙橋 ㈱"),
        ("iso-8859-1", "cp1252", "“quoted” – 5 €"),
        ("euc-kr", "cp949", "똠방각하"),
        ("big5", "big5hkscs", "香港嘅嘢"),
        ("windows-1251", "cp1251", "Привет"),
    ],
)
def test_bytes_are_read_by_what_is_written_under_their_label(label: str, codec: str, text: str) -> None:
    assert decoded(text.encode(codec), label) == Decoded(text)


def test_the_signs_of_japanese_mail_programs_are_read() -> None:
    assert decoded(b"\x1b$B-!F|K\\\x1b(B, \x1b(I1\x1b(B.", "iso-2022-jp") == Decoded("①日本, ｱ.")


def test_utf8_under_another_label_is_utf8() -> None:
    assert decoded("Grüße aus Zürich, naïve".encode(), "iso-8859-1") == Decoded("Grüße aus Zürich, naïve")
    assert decoded("联通".encode("gbk"), "gb2312") == Decoded("联通")  # four bytes that are sound UTF-8 as well


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_mark_comes_before_a_label(codec: str) -> None:
    assert decoded("Grüße".encode(codec), "koi8-r") == Decoded("Grüße")


def test_utf8_that_is_declared_stays_so_with_a_broken_byte() -> None:
    assert decoded("Grüße an alle Wörter ".encode() + b"\xc3", "utf-8") == Decoded("Grüße an alle Wörter \ufffd", "", 1)
    assert decoded("Grüße an alle".encode("cp1252"), "utf-8") == Decoded("Grüße an alle", "windows-1252")


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["A line of text, mit Grüßen.", "Привет мир, это текст", "שלום עולם"])
def test_utf16_without_a_mark_is_seen(codec: str, text: str) -> None:
    assert decoded(text.encode(codec)) == Decoded(text, codec)


@pytest.mark.parametrize(
    ("codec", "text", "guess"),
    [
        ("cp1252", "caf\xe9 au lait", "windows-1252"),
        ("cp1252", "Die Größe der Tür: 5 €", "windows-1252"),
        ("cp1251", RUSSIAN, "windows-1251"),
        ("koi8-r", RUSSIAN, "koi8-r"),
        ("cp932", JAPANESE, "cp932"),
        ("euc_jp", JAPANESE, "euc_jis_2004"),
        ("gbk", CHINESE, "gb18030"),
        ("cp949", KOREAN, "cp949"),
    ],
)
def test_what_nothing_tells_is_guessed_and_said(tmp_path: Path, codec: str, text: str, guess: str) -> None:
    if codec != "cp1252":
        pytest.importorskip("chardet")
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode(codec))
    assert list(read_here(path)) == [Document(str(path), text, "a", {"encoding": guess}, str(path))]


def test_a_few_broken_bytes_in_utf8_cost_themselves_and_a_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(RUSSIAN.encode() + b" \xff " + RUSSIAN.encode())
    document, skip = read_here(path)
    assert isinstance(document, Document)
    assert document.text == f"{RUSSIAN} \ufffd {RUSSIAN}"
    assert document.metadata == {}
    reason = "1 of its characters are not in its encoding and cannot be read; save it as UTF-8"
    assert skip == Skip(str(path), reason, within=True)


def test_bytes_that_are_no_text_are_none() -> None:
    assert decoded(bytes(range(128, 256)) + bytes(64)) is None
    assert decoded(b"\xff\xfea") is None
