"""What the page asks for: its own files, hits with facets and folds, originals, and jobs."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from services import Service, serving

from nestling import Document, Library
from nestling.library.search.marking import marked

PAGE_BYTES = 150_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "docs" / "birds").mkdir(parents=True)
    (tmp_path / "docs" / "birds" / "owls.txt").write_text("Owls hunt at night. 🦉 An owl sleeps by day.")
    (tmp_path / "docs" / "birds" / "copy.md").write_text("Owls hunt at night. 🦉 An owl sleeps by day. Indeed.")
    (tmp_path / "docs" / "burns.txt").write_text("Cool a burn under running water for twenty minutes.")
    (tmp_path / "docs" / "page.html").write_text("<title>Bees</title><script>alert(1)</script><p>Bees dance.</p>")
    (tmp_path / "secret.txt").write_text("the password")
    return tmp_path


@pytest.fixture
def library(folder: Path) -> Path:
    path = folder / "notes.nest"
    with Library(path) as opened:
        opened.sync(folder / "docs")
        opened.add([
            Document("old", "An old letter on owls.", "Letter", {"date": "1999-05-01", "tags": ["a", "b"]}),
            Document("sly", "x", "", {"path": str(folder / "secret.txt")}, str(folder / "secret.txt")),
        ])  # fmt: skip
    return path


def finished(running: Service) -> Any:
    """The latest job, once it has ended."""
    for _ in range(6000):
        (job,) = running.ask("GET", "/api/jobs").json["jobs"].values()
        if job["state"] != "running":
            return job
        time.sleep(0.05)
    raise AssertionError(job)


def test_the_page_is_small_and_brings_all_that_it_needs(service: Service) -> None:
    index = service.ask("GET", "/").body
    names = ["style.css", "nestling.js", "icon.svg", "texts.en.json"]
    bodies = [service.ask("GET", f"/static/{name}").body for name in names]
    assert sum(map(len, [index, *bodies])) < PAGE_BYTES
    assert b"http" not in index.replace(b"application/opensearchdescription+xml", b"")
    assert b"//" not in b"".join(line.split(b"//")[0] for line in bodies[1].splitlines() if b"://" in line)
    texts = json.loads(bodies[3])
    for name in re.findall(r'data-text="([^"]+)"', index.decode()):
        assert name in texts
    assert service.ask("GET", "/static/page.py").status == 404
    assert service.ask("GET", "/static/..%2fpage.py").status == 404


def test_browsers_can_search_from_their_address_bar(service: Service) -> None:
    found = service.ask("GET", "/opensearch.xml")
    assert found.headers["content-type"].startswith("application/opensearchdescription+xml")
    assert f'template="http://{service.host}/?q={{searchTerms}}"'.encode() in found.body


def test_hits_are_folded_counted_and_narrowed(library: Path) -> None:
    with serving(library) as running:
        found = running.ask("GET", "/api/page", query={"q": "owls at night"}).json
        first = found["hits"][0]
        assert {Path(first["id"]).name, *(Path(one["id"]).name for one in first["alike"])} == {"owls.txt", "copy.md"}
        facets = {one["name"]: {row["value"]: row for row in one["values"]} for one in found["facets"]}
        assert {name: facets["kind"][name]["count"] for name in facets["kind"]} == {"txt": 3, "md": 1, "html": 1}
        assert facets["metadata tags"]["a"]["count"] == 1
        assert facets["year"]["1999"]["count"] == 1
        for facet, value, expected in (
            ("kind", "md", {"copy.md"}),
            ("folder", str(library.parent / "docs" / "birds"), {"owls.txt", "copy.md"}),
            ("year", "1999", {"old"}),
            ("metadata tags", "b", {"old"}),
        ):
            where = json.dumps(facets[facet][value]["where"])
            narrowed = running.ask("GET", "/api/page", query={"q": "owls at night", "filter": where}).json["hits"]
            ids = {Path(one["id"]).name for hit in narrowed for one in [hit, *hit["alike"]]}
            assert ids == expected, facet
        dated = running.ask("GET", "/api/page", query={"q": "owls", "sort": "date"}).json["hits"]
        assert [hit["date"] for hit in dated] == sorted((hit["date"] for hit in dated), reverse=True)
        two = running.ask("GET", "/api/page", query={"q": "owls", "k": 2}).json
        rest = running.ask("GET", "/api/page", query={"q": "owls", "k": 100, "first": 2}).json
        every = running.ask("GET", "/api/page", query={"q": "owls"}).json
        assert (two["more"], rest["more"]) == (True, False)
        assert [hit["id"] for hit in two["hits"] + rest["hits"]] == [hit["id"] for hit in every["hits"]]
        refused = running.ask("GET", "/api/page", query={"q": "owls", "filter": "{"})
        assert refused.json == {"error": "filter is no JSON, expected an object as the `where` of a search"}


def test_a_document_is_read_with_its_words_marked(library: Path) -> None:
    id = str(library.parent / "docs" / "birds" / "owls.txt")
    with serving(library) as running:
        found = running.ask("GET", "/api/documents", query={"id": id, "q": "owl"}).json
    assert [found["text"][begin:end] for begin, end in found["marks"]] == ["Owls", "owl"]


@pytest.mark.parametrize(
    ("text", "query"), [("", "owl"), ("   ", "owl"), ("owls", ""), ("owls", "the"), ("bees", "owl")]
)
def test_where_no_word_stands_nothing_is_marked(text: str, query: str) -> None:
    assert marked(text, query) == ()


def test_originals_are_served_where_the_library_follows_them(library: Path, folder: Path) -> None:
    with serving(library) as running:
        shown = running.ask("GET", "/api/file", query={"id": str(folder / "docs" / "burns.txt")})
        assert (shown.status, shown.headers["content-type"]) == (200, "text/plain; charset=utf-8")
        assert shown.headers["content-disposition"].startswith("inline")
        page = running.ask("GET", "/api/file", query={"id": str(folder / "docs" / "page.html")})
        assert (page.status, page.headers["content-type"]) == (200, "application/octet-stream")
        assert page.headers["content-disposition"].startswith("attachment")
        assert page.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
        for id in ("sly", "old", str(folder / "secret.txt"), "../secret.txt"):
            assert running.ask("GET", "/api/file", query={"id": id}).status == 404
        (folder / "docs" / "burns.txt").unlink()
        (folder / "docs" / "burns.txt").symlink_to(folder / "secret.txt")
        assert running.ask("GET", "/api/file", query={"id": str(folder / "docs" / "burns.txt")}).status == 404


def test_folders_are_added_and_watched(library: Path, folder: Path) -> None:
    (folder / "more").mkdir()
    (folder / "more" / "rent.txt").write_text("The rent for March was paid late.")
    (folder / "more" / "broken.pdf").write_bytes(b"%PDF-1.4 broken")
    with serving(library) as running:
        started = running.ask("POST", "/api/jobs", {"kind": "sync", "path": str(folder / "more")})
        assert (started.status, started.json["kind"]) == (202, "sync")
        job = finished(running)
        assert (job["state"], job["report"]["added"], len(job["report"]["skipped"])) == ("done", 1, 1)
        (failure,) = running.ask("GET", "/api/failures").json["failures"]
        assert failure["source"].endswith("broken.pdf")
        assert running.ask("GET", "/api/search", query={"q": "rent", "k": 1}).json["hits"][0]["title"] == "rent"
        refused = running.ask("POST", "/api/jobs", {"kind": "sync", "path": str(folder / "nowhere")})
        assert refused.status == 400
        assert "nowhere" in refused.json["error"]
        assert running.ask("DELETE", "/api/jobs").json == {"error": "nothing is running"}


def test_a_job_is_stopped_and_gone_on_with(library: Path, folder: Path) -> None:
    (folder / "many").mkdir()
    for number in range(400):
        text = " ".join(f"word{number * 40 + word}" for word in range(120))
        (folder / "many" / f"{number}.txt").write_text(text)
    with serving(library) as running:
        running.ask("POST", "/api/jobs", {"path": str(folder / "many")})
        again = running.ask("POST", "/api/jobs", {"path": str(folder / "many")})
        assert again.json == {"error": "a sync is running already; wait for it, or stop it first"}
        assert running.ask("GET", "/api/search", query={"q": "owls"}).status == 200
        running.ask("DELETE", "/api/jobs")
        assert finished(running)["state"] == "stopped"
        running.ask("POST", "/api/jobs", {"path": str(folder / "many")})
        assert finished(running)["state"] == "done"
        (info,) = running.ask("GET", "/api/libraries").json["libraries"]
    assert info["files"] == 404


def test_folders_are_kept_in_step_and_this_is_paused(library: Path, folder: Path) -> None:
    def has(running: Service, name: str) -> bool:
        id = str(folder / "docs" / name)
        return running.ask("GET", "/api/documents", query={"id": id}).status == 200

    def soon(is_so: Callable[[], bool]) -> None:
        for _ in range(600):
            if is_so():
                return
            time.sleep(0.05)
        raise AssertionError

    with serving(library) as running:
        (folder / "docs" / "moths.txt").write_text("Moths fly to light.")
        soon(lambda: has(running, "moths.txt"))
        paused = running.ask("POST", "/api/watching", {"paused": True})
        assert paused.json["paused"] is True
        (folder / "docs" / "bees.txt").write_text("Bees dance.")
        soon(lambda: running.ask("GET", "/api/jobs").json["watching"]["notes"]["pending"])
        assert not has(running, "bees.txt")
        running.ask("POST", "/api/watching", {"paused": False})
        soon(lambda: has(running, "bees.txt"))
        refused = running.ask("POST", "/api/watching", {"paused": 1})
        assert refused.json == {"error": "paused is missing, expected true or false"}
