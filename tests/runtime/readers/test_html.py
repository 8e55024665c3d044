"""HTML: what a reader sees is read, and nothing that a page forgot to close hides the rest of it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from nestling.document import Document
from nestling.readers import read_here
from nestling.readers.html import page_text


@pytest.mark.parametrize(
    "page",
    [
        "<p>before</p><script>var a = 1;<p>wanted",
        "<p>before<style>p {color: red}<p>wanted",
        "<title>before<body><p>wanted",
        "<noscript>before<p>wanted",
        "<template><p>before<p>wanted",
        "<nav><a>before</a><p>wanted",
        "<nav>before<nav>menu</nav>wanted",
        "<svg><text>before</text><p>wanted",
        "<textarea>before <b>wanted",
        "<head><title>before</title><p>wanted",
        "<p>before<!-- never closed <p>wanted",
        "before<iframe><p>wanted",
        "before<div hidden><p>wanted",
        "before<script src=x.js /><p>wanted",
    ],
)
def test_text_behind_what_is_never_closed_is_kept(page: str) -> None:
    title, text = page_text(page)
    assert "wanted" in text
    assert "before" in f"{title}{text}"
    assert "<p>" not in text


@pytest.mark.parametrize("tag", ["script", "style", "noscript", "template", "nav", "svg"])
def test_what_is_closed_hides_itself_alone(tag: str) -> None:
    assert page_text(f"<p>seen<{tag}>gone</{tag}><p>too")[1] == "seen\ntoo"
    assert page_text(f"<{tag}>gone</{tag}><p>seen<{tag}><p>left open")[1] == "seen\nleft open"


def test_a_title_that_is_not_closed_ends_where_other_markup_begins() -> None:
    assert page_text("<title>My page\n<p>text") == ("My page", "text")


def test_the_title_of_a_drawing_before_that_of_the_page_is_none() -> None:
    assert page_text("<svg><title>Icon</title></svg><title>Page</title><p>text") == ("Page", "text")


def test_lines_of_the_source_are_lines_in_preformatted_text_alone() -> None:
    assert page_text("<p>A line\nof <b>a\nparagraph</b>.<pre>one\ntwo</pre>and\nmore")[1] == (
        "A line of a paragraph.\none\ntwo\nand more"
    )


def test_a_row_of_a_table_is_a_line() -> None:
    page = "<table><tr><th>Drug<th>Dose<tr><td><p>Amoxicillin</p></td><td>45 <b>mg</b></td></tr></table><p>after"
    assert page_text(page)[1] == "Drug | Dose\nAmoxicillin | 45 mg\nafter"


def test_a_cell_of_several_lines_keeps_them() -> None:
    page = "<table><tr><td><h1>Part</h1><p>one<p>two</td><td>three</td></tr></table>"
    assert page_text(page)[1] == "# Part\none\ntwo\nthree"


def test_readings_of_characters_stand_behind_the_word() -> None:
    page = "<p><ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp>字<rt>じ</rt></ruby>を読む"
    assert page_text(page)[1] == "漢字(かんじ)を読む"


def test_sections_of_xhtml_and_texts_of_pictures_are_text() -> None:
    assert page_text("<p><![CDATA[5 < 6 & 7]]> yes<img alt='A cat'/>")[1] == "5 < 6 & 7 yes A cat"


@pytest.mark.parametrize(
    "comment",
    ["<!-->", "<!--->", "<!---->", "<!-- x -->", "<!-- x --!>", "<!-- x --->", "<!----!>", "<!-- > -- > <p>x -->",
     "<!--x\n--!x-->", "<!-- <!-- x -->", "<!--!> x -->", "<!--<p>x</p>--!>"],
)  # fmt: skip
def test_a_comment_ends_where_a_browser_ends_it(comment: str) -> None:
    assert page_text(f"<p>seen</p>{comment}<p>too</p><!-- y --><p>at last")[1] == "seen\ntoo\nat last"
    assert page_text(f"<p>seen</p>{comment}<p>too")[1] == "seen\ntoo"


def test_what_looks_like_a_comment_in_a_script_or_a_tag_is_none() -> None:
    page = "<script>'<!--'</script><p>seen</p><p title='<!-- '>too</p><style><!-- p {} --></style><p>at last"
    assert page_text(page)[1] == "seen\ntoo\nat last"


@pytest.mark.parametrize(
    ("codec", "page"),
    [
        ("gbk", '<meta charset="gb2312"><p>朱镕基'),
        ("cp932", '<meta http-equiv="Content-Type" content="text/html; charset=shift_jis"><p>①髙橋'),
        ("cp949", "<meta charset=euc-kr><p>똠방각하"),
        ("big5hkscs", "<meta charset='big5'><p>香港嘅嘢"),
        ("cp1252", '<meta charset="iso-8859-1"><p>“naïve” – 5 €'),
        ("cp1251", '<?xml version="1.0" encoding="windows-1251"?><html><p>Привет'),
        ("utf-16", "<p>Grüße, 日本"),
        ("utf-16-le", '<!doctype html><meta charset="utf-16"><p>Grüße aus Zürich'),
        ("utf-8", '<meta charset="iso-8859-1"><p>naïve café'),
    ],
)
def test_a_page_is_read_in_its_encoding(tmp_path: Path, codec: str, page: str) -> None:
    path = tmp_path / "a.html"
    path.write_bytes(page.encode(codec))
    (document,) = read_here(path)
    assert isinstance(document, Document)
    assert document.text == page.rpartition("<p>")[2]


@pytest.mark.parametrize(
    "part",
    [
        "<script ",
        "<![CDATA[",
        "<!--",
        "<!--!>",
        "<!-->",
        "--!>",
        "<script>",
        "<title>",
        "<nav>",
        "<tr><td>a",
        "<ruby><rt>a",
        "<",
        "&#0",
    ],
)
def test_the_time_for_a_page_grows_with_its_length(part: str) -> None:
    begin = time.monotonic()
    page_text(part * 30_000)
    assert time.monotonic() - begin < 5  # of what takes 0.2 s; where it grew with the square it took minutes
