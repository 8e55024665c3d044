"""Files of text that were made to harm who reads them: plain text, HTML, mail and tables."""

from __future__ import annotations

import random

Files = dict[str, bytes]


def texts() -> Files:
    """Plain text and Markdown."""
    good = "A line of text. "
    return {
        "empty.txt": b"",
        "blank.md": b" \n\t\r\n ",
        "nul.txt": b"a\0b\0\0c" * 50,
        "controls.txt": bytes(range(1, 32)) * 20 + b" then words",
        "c1.txt": "".join(map(chr, range(0x7F, 0xA0))).encode() + b" words",
        "latin.txt": "Grüße aus Zürich".encode("latin-1"),
        "shift.txt": "日本語の文".encode("shift_jis"),
        "utf16-no-mark.txt": good.encode("utf-16-le"),
        "utf16-odd.txt": b"\xff\xfe" + good.encode("utf-16-le") + b"x",
        "utf16-lone.txt": b"\xff\xfe\x00\xd8a\x00",
        "utf32.txt": good.encode("utf-32"),
        "mark-alone.txt": b"\xef\xbb\xbf",
        "two-marks.txt": b"\xef\xbb\xbf\xef\xbb\xbfwords",
        "mixed.txt": good.encode() + "Grüße".encode("latin-1") + "日本".encode(),
        "overlong.txt": b"\xc0\xaf\xe0\x80\xaf words",
        "surrogates.txt": b"\xed\xa0\x80\xed\xb0\x80 words",
        "one-word.txt": b"x" * 300_000,
        "accents.txt": ("e" + "\u0301" * 3000 + " ").encode() * 3,
        "bidi.txt": ("\u202e\u2066\u2069\u200f" * 500 + "words").encode(),
        "noncharacters.txt": "\ufdd0\ufdd1\uffff\U0010ffff words between marks".encode(),
        "emoji.txt": ("\U0001f468\u200d\U0001f469\u200d\U0001f467" * 150).encode(),
        "lines.txt": b"\n" * 20_000 + b"x",
        "feeds.txt": b"\f" * 20_000 + b"x",
        "returns.txt": b"a\r" * 1500,
        "hashes.md": b"# " + b"#" * 8000 + b"x",
        "marks.md": b"# " + b"# \t" * 3000 + b"x",
        "fences.md": b"```\n~~~\n" * 400,
        "front.md": b"---\n" * 900,
        "front-open.md": b"---\n" + b"a: b\n" * 600,
        "quotes.md": b">" * 3000,
        "brackets.md": b"[" * 3000 + b"](x)",
        "heading.md": b"# " + b"long " * 2000,
        "program.txt": b"\x7fELF" + bytes(random.Random(5).randbytes(2000)),
        "picture.md": b"\x89PNG\r\n\x1a\n" + bytes(random.Random(6).randbytes(2000)),
    }


def pages() -> Files:
    """HTML."""
    bodies = {
        "deep": "<div>" * 60_000 + "deep",
        "deep-hidden": "<svg>" * 20_000 + "</p>" * 20_000,
        "deep-list": "<ul><li>" * 20_000 + "deep",
        "entities": "&#x110000; &#0; &#xd800; &#99999999999999999999; &notanentity; &amp &lt;&#; &#x;" * 20,
        "entity-long": "&" + "a" * 20_000 + ";",
        "attribute": "<p title='" + "a" * 500_000 + "'>words</p>",
        "attributes": "<p " + "".join(f"a{number}=b " for number in range(20_000)) + ">words</p>",
        "attribute-open": "<a b='" * 600,
        "tag-open": "<a " * 600,
        "comments": "<!--" * 900,
        "comment-open": "words <!-- " + "a" * 20_000,
        "cdata": "<![CDATA[" * 500,
        "conditional": "<![if IE]><![endif]><![foo[" * 500 + "words",
        "declarations": "<!DOCTYPE [" * 300,
        "instructions": "<?xml " * 900,
        "script-open": "<script>" + "var a = '</scr';" * 3000,
        "title-open": "<title>" + "a " * 3000,
        "titles": "<title>a</title>" * 5000,
        "less": "<" * 3000,
        "closing": "</p>" * 50_000,
        "nul": "<p>a\0b</p><\0p>c",
        "charset-unknown": "<meta charset='x-no-such'>words",
        "charset-utf16": "<meta charset='utf-16'>words",
        "charset-utf7": "<meta charset='utf-7'>+ADw-script+AD4- words",
        "charset-codec": "<meta charset='zlib'>words",
        "charset-idna": "<meta charset='idna'>" + "words." * 500,
        "charset-punycode": "<meta charset='punycode'>" + "words-" * 500,
        "bomb-laughs": '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><p>&b;</p>words',
        "no-text": "<html><head><title></title></head><body><img></body></html>",
        "frames": "<frameset>" * 500 + "<noframes>words",
        "nothing": "",
    }
    return {f"{name}.html": body.encode() for name, body in bodies.items()}


def mails() -> Files:
    """Messages and mailboxes."""
    plain = b"Content-Type: text/plain; charset=%s\n\nGr\xfc\xdfe words"
    text = {
        "headers-endless": b"X-A: b\n" * 50_000,
        "header-endless": b"Subject: " + b"a " * 200_000 + b"\n\nwords",
        "folded": b"Subject: a\n" + b" b\n" * 20_000 + b"\nwords",
        "to-commas": b"To: " + b"a," * 20_000 + b"\n\nwords",
        "to-parentheses": b"To: " + b"(" * 20_000 + b"\n\nwords",
        "to-many": b"To: " + b"a@example.org, " * 10_000 + b"\n\nwords",
        "parameters": b"Content-Type: text/plain; " + b"a=b; " * 20_000 + b"\n\nwords",
        "continued": b"Content-Type: text/plain; " + b"".join(b"a*%d=b; " % n for n in range(9000)) + b"\n\nwords",
        "encoded-words": b"Subject: " + b"=?utf-8?q?a?= " * 20_000 + b"\n\nwords",
        "encoded-broken": b"Subject: =?utf-8?b?!!!?= =?x-no?q?a?= =?utf-8?q?=FF=00?=\n\nwords",
        "charset-unknown": plain % b"x-no-such",
        "charset-wrong": plain % b"us-ascii",
        "charset-utf16": plain % b"utf-16",
        "charset-codec": plain % b"zlib",
        "charset-long": plain % (b"a" * 5000),
        "charset-nul": plain % b"utf\0-8",
        "base64-broken": b"Content-Transfer-Encoding: base64\n\n!!!=A==BC\xff",
        "encoding-unknown": b"Content-Transfer-Encoding: rot13\n\nwords",
        "uu": b"Content-Transfer-Encoding: x-uuencode\n\nbegin 666 a\nM\nend\n",
        "quoted": b"Content-Transfer-Encoding: quoted-printable\n\n=ZZ=\n=F",
        "nested": b"".join(
            b"Content-Type: multipart/mixed; boundary=x%d\n\n--x%d\n" % (n, n) for n in range(1000)
        ) + b"\nwords",
        "forwarded": b"Content-Type: message/rfc822\n\n" * 1000 + b"words",
        "parts": b"Content-Type: multipart/mixed; boundary=x\n\n" + b"--x\n\nwords\n" * 4000,
        "no-boundary": b"Content-Type: multipart/mixed\n\nwords",
        "no-end": b"Content-Type: multipart/alternative; boundary=x\n\n--x\nContent-Type: text/html\n\n<p>words",
        "same-boundary": b"Content-Type: multipart/mixed; boundary=x\n\n--x\n" * 300 + b"\nwords",
        "no-blank": b"Subject: words",
        "no-header": b"\nwords",
        "date": b"Date: Mon, 99 Foo 99999 99:99:99 +9999\n\nwords",
        "date-long": b"Date: " + b"(" * 20_000 + b"\n\nwords",
        "message-id": b"Message-ID: <" + b"[" * 20_000 + b"\n\nwords",
        "nul": b"Subject: a\0b\nFrom: \0\n\nwords\0",
        "surrogates": b"Subject: \xed\xa0\x80\nFrom: \xff\xfe\n\nwords",
        "attachment": b'Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Disposition: attachment; '
        b'filename="../../../tmp/evil\r\n.txt"\n\nwords\n--x\n'
        b"Content-Disposition: attachment; filename*=x''%FF\n\n--x--",
        "report": b"Content-Type: multipart/report; boundary=x\n\n--x\n"
        b"Content-Type: message/delivery-status\n\n\n\n--x--",
        "html-deep": b"Content-Type: text/html\n\n" + b"<div>" * 20_000 + b"words",
        "empty": b"",
    }  # fmt: skip
    files = {f"{name}.eml": data for name, data in text.items()}
    starts = [b"From a@b Mon Mar  2 10:00:00 2026\n" + data + b"\n\n" for data in text.values() if len(data) < 60_000]
    files["all.mbox"] = b"".join(starts)
    files["no-from.mbox"] = b"Subject: words\n\nwords"
    files["froms.mbox"] = b"From \n" * 2000
    files["same-id.mbox"] = b"From a@b Mon Mar  2 10:00:00 2026\nMessage-ID: <1@b>\n\nwords\n\n" * 300
    files["binary.mbox"] = b"From a\n" + random.Random(7).randbytes(3000)
    files["empty.mbox"] = b""
    return files


def rows() -> Files:
    """JSON Lines and CSV."""
    deep = b'{"id": "a", "text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
    number = b'{"id": "a", "text": "words", "metadata": {"a": %s}}\n'
    lines = {
        "deep": deep,
        "deep-meta": deep.replace(b'"text"', b'"text": "a", "metadata"'),
        "numbers": b"".join(number % one for one in (b"1e999", b"NaN", b"9" * 30, b"-0", b"1e-400", b"9" * 5000)),
        "keys": b'{"id": "a", "text": "words", "metadata": {' + b",".join(b'"k%d": 1' % n for n in range(5000)) + b"}}",
        "key-long": b'{"id": "a", "text": "words", "metadata": {"' + b"k" * 100_000 + b'": [1]}}',
        "id-long": b'{"id": "' + b"i" * 100_000 + b'", "text": "words", "metadata": {"a": []}}',
        "id-control": b'{"id": "a\\n\\u0000\\u001b[2J", "text": "words"}\n'
        b'{"id": "a\\u2028\\nb", "text": "w", "metadata": 1}',
        "id-kinds": b"".join(
            b'{"id": %s, "text": "words"}\n' % one for one in (b"null", b"1.5", b"true", b"[]", b'" "')
        ),
        "surrogates": b'{"id": "\\ud800", "text": "\\udfff words"}',
        "same-id": b'{"id": "a", "text": "words"}\n' * 300,
        "same-key": b'{"id": "a", "id": "b", "text": "words", "text": "others"}',
        "bad-lines": b"1\n" * 600_000,
        "no-end": b'{"id": "a", "text": "words',
        "array": b'[{"id": "a", "text": "words"}]',
        "blank": b"\n" * 100_000,
        "latin": b'{"id": "a", "text": "Gr\xfc\xdfe"}\n',
        "nul": b'\0{"id": "a", "text": "words"}\n{"id": "b", "text": "a\0b"}',
        "utf16": '{"id": "a", "text": "words"}\n{"id": "b", "text": "words"}'.encode("utf-16"),
        "line-long": b'{"id": "a", "text": "words"}\n' + b" " * (17 << 20) + b"\n",
        "others-id": b'{"id": "/etc/passwd", "text": "words"}\n{"id": "../../x", "text": "words"}',
        "metadata": b"".join(number % one for one in (b"[1]", b"{}", b'"\\ud800"', b'"a\\u0000b"', b"9" * 25)),
    }  # fmt: skip
    tables = {
        "quote-open": b'id,text\n1,"open\n' + b"a,b\n" * 3000,
        "quotes": b'id,text\n1,"a"b"c"\n',
        "header-same": b"id,id,text\n1,2,words\n",
        "header-empty": b",,,\n1,2,3\n",
        "header-only": b"id,text\n",
        "header-long": b"id," + b"c" * 1_000_000 + b"\n" + b"1,x\n" * 500,
        "columns": ",".join(f"c{number}" for number in range(1500)).encode() + b"\n" + b"1," * 1499 + b"1\n",
        "cells-more": b"id,text\n1,a,b,c\n2,words\n",
        "cell-long": b"id,text\n1," + b"word " * 2000 + b"\n",
        "commas": b"," * 100_000,
        "nul": b"id,text\n1,a\0b\n\0,c\n",
        "controls": b"id,text\n\x1b[2J,words\n\x07,\x08\n",
        "formula": b"id,text\n1,=cmd|' /C calc'!A0\n",
        "returns": b"id,text\r1,words\r\r2,words\r\n",
        "latin": b"id,text\n1,Gr\xfc\xdfe\n",
        "numbers": b"id,text,n\n1,words," + b"9" * 5000 + b"\n2,words,1e999\n3,words,nan\n4,words,-\n",
        "same-id": b"id,text\n" + b"1,words\n" * 300,
        "bad-rows": b"id,text\n" + b"1,2,3\n" * 100_000,
        "empty": b"",
        "json": b'{"id": "a", "text": "words"}\n',
        "separators": b"id;text,more\ttabs\n1;2,3\t4\n",
        "utf16": "id,text\n1,words\n".encode("utf-16"),
    }
    files = {f"{name}.jsonl": data for name, data in lines.items()}
    return files | {f"{name}.csv": data for name, data in tables.items()}
