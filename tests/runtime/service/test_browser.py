"""A real browser goes through the page; left out where there is no Chromium (Debian: apt install chromium)."""

from __future__ import annotations

import csv
import io
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from docx import Document as Docx
from playwright.sync_api import Browser, Page, expect, sync_playwright
from services import Service, serving

from nestling import Document, Library

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 780}
SCRIPT = "<script>document.title='run'</script>"
LETTER = Document("letter", f"{SCRIPT} owls & letters", "<b>Bold</b>", {"date": "1999-05-01"})


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from services import loopback

    with loopback(), sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    (docs / "birds").mkdir(parents=True)
    (docs / "birds" / "owls.txt").write_text("Owls hunt at night. 🦉 An owl sleeps by day.\n\n" + "Mice run. " * 2000)
    (docs / "burns.md").write_text("# Burns\n\nCool a burn under running water for twenty minutes.")
    (docs / "ar.txt").write_text("برّد الحرق تحت الماء الجاري لمدة عشرين دقيقة")
    for number in range(30):
        (docs / f"note-{number}.txt").write_text(f"A note on water, number {number}, of the well in the yard.")
    return tmp_path


@pytest.fixture
def running(folder: Path) -> Iterator[Service]:
    with Library(folder / "notes.nest") as library:
        library.sync(folder / "docs")
        library.add([LETTER])
    with serving(folder / "notes.nest") as service:
        yield service


class Visit:
    """A page that is open, and what went wrong on it."""

    def __init__(self, browser: Browser, service: Service, **given: Any) -> None:
        self.context = browser.new_context(**{"viewport": WIDE, "accept_downloads": True, **given})
        self.requests: list[str] = []
        self.faults: list[str] = []
        self.page: Page = self.context.new_page()
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda said: self.faults.append(said.text) if said.type == "error" else None)
        self.page.goto(service.address)
        expect(self.page.locator("#library option")).to_have_count(1)
        self.service = service

    def ask(self, text: str) -> None:
        self.page.fill("#query", text)
        expect(self.page.locator("#found")).to_contain_text("in")
        expect(self.page.locator("#hits li").first).to_be_visible()

    def end(self) -> None:
        """Nothing went wrong, and nothing was asked of anybody else."""
        assert self.faults == []
        assert all(url.startswith((f"http://{self.service.host}/", "blob:")) for url in self.requests)
        self.context.close()


@pytest.fixture
def visit(browser: Browser, running: Service) -> Iterator[Visit]:
    made = Visit(browser, running)
    yield made
    made.end()


def test_the_first_search_narrowing_and_reading(visit: Visit) -> None:
    page = visit.page
    assert page.url == f"http://{visit.service.host}/"  # without the token
    visit.ask("how long do I cool a burn?")
    first = page.locator("#hits li").first
    expect(first.locator("button.hit")).to_have_text("Burns")
    expect(first.locator("mark").first).to_be_visible()
    expect(first.locator(".why")).to_contain_text("by meaning")
    page.click("fieldset:has(legend:text-is('Kind of file')) button:has-text('txt')")
    expect(page.locator(".chip")).to_have_text("Kind of file: txt ×")
    expect(page.locator("#hits li button.hit", has_text="Burns")).to_have_count(0)
    page.click(".chip")
    expect(first.locator("button.hit")).to_have_text("Burns")
    first.locator("button.hit").click()
    expect(page.locator("#preview")).to_be_visible()
    expect(page.locator("#text .passage")).to_contain_text("Cool a burn")
    expect(page.locator("#place")).to_have_text("mark 1 of 3")
    page.click("#after")
    expect(page.locator("#place")).to_have_text("mark 2 of 3")
    expect(page.locator("mark.now")).to_have_count(1)
    page.click("#before")
    page.click("#before")
    expect(page.locator("#place")).to_have_text("mark 3 of 3")
    expect(page.locator("#original")).to_be_visible()
    page.click("#like")
    expect(page.locator("#mode")).to_have_value("dense")


def test_more_hits_come_on_demand(visit: Visit) -> None:
    visit.ask("water")
    expect(visit.page.locator("#hits > li")).to_have_count(20)
    visit.page.click("#more")
    expect(visit.page.locator("#more")).to_be_hidden()
    assert visit.page.locator("#hits > li").count() > 20


def test_texts_of_documents_are_shown_as_text(visit: Visit) -> None:
    visit.ask("owls letters")
    button = visit.page.locator("#hits button.hit", has_text="<b>Bold</b>")
    button.click()
    expect(visit.page.locator("#title")).to_have_text("<b>Bold</b>")
    expect(visit.page.locator("#text")).to_contain_text("<script>")
    assert visit.page.title() == "Nestling"
    assert visit.page.locator("#text script, #hits script, #hits b").count() == 0


def test_marks_stand_where_the_words_are_behind_characters_beyond_16_bits(visit: Visit) -> None:
    visit.ask("owl sleeps")
    visit.page.locator("#hits button.hit", has_text="owls").click()
    expect(visit.page.locator("#text mark").first).to_be_visible()
    assert {one.lower() for one in visit.page.locator("#text mark").all_text_contents()} == {"owls", "owl", "sleeps"}


def test_it_is_used_by_keys_alone(visit: Visit) -> None:
    page = visit.page
    page.keyboard.type("water")
    expect(page.locator("#hits > li")).to_have_count(20)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#hits > li:nth-child(2) button.hit")).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#query")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#title")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#preview")).to_be_hidden()
    expect(page.locator("#hits > li:nth-child(1) button.hit")).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("#query")).to_be_focused()
    page.keyboard.type("owls")
    expect(page.locator("#query")).to_have_value("owls")


def test_a_folder_is_added_and_what_fails_is_told(visit: Visit, folder: Path) -> None:
    more = folder / "more"
    more.mkdir()
    document = Docx()
    document.add_paragraph("The rent for March was paid late.")
    document.save(str(more / "rent.docx"))
    (more / "broken.pdf").write_bytes(b"%PDF-1.4 broken")
    page = visit.page
    page.click("#manage")
    page.fill("#folder", str(more))
    page.click("#add button[type=submit]")
    done = "Done: 1 added, 0 changed, 0 removed, 1 could not be read"
    expect(page.locator("#doing")).to_contain_text(done, timeout=60000)
    expect(page.locator("#failures")).to_contain_text("broken.pdf")
    page.fill("#folder", str(folder / "nowhere"))
    page.click("#add button[type=submit]")
    expect(page.locator("#said")).to_contain_text("nowhere")
    page.click("#done")
    visit.ask("was the rent late?")
    expect(page.locator("#hits button.hit").first).to_have_text("rent")
    visit.faults.clear()  # the browser's own line on the answer 400


def test_what_takes_long_is_stopped_and_gone_on_with(visit: Visit, folder: Path) -> None:
    many = folder / "many"
    many.mkdir()
    for number in range(600):
        (many / f"{number}.txt").write_text(" ".join(f"word{number * 40 + word}" for word in range(150)))
    page = visit.page
    page.click("#manage")
    page.fill("#folder", str(many))
    page.click("#add button[type=submit]")
    expect(page.locator("#stop")).to_be_visible()
    page.click("#stop")
    expect(page.locator("#doing")).to_have_text("Stopped; what was done is kept", timeout=60000)
    page.check("#pause")
    page.click("#sync")
    expect(page.locator("#doing")).to_contain_text("Done", timeout=120000)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"color_scheme": "dark"},
        {"viewport": PHONE},
        {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2},  # 200 %
        {"locale": "ar"},
    ],
    ids=["light", "dark", "phone", "zoomed", "arabic"],
)
def test_it_is_readable_by_all(browser: Browser, running: Service, given: dict[str, Any], tmp_path: Path) -> None:
    visit = Visit(browser, running, **given)
    page = visit.page
    visit.ask("الحرق water")
    axe, found = Axe(), {}
    found["hits"] = axe.run(page).response["violations"]
    page.locator("#hits button.hit").first.click()
    expect(page.locator("#preview")).to_be_visible()
    found["preview"] = axe.run(page).response["violations"]
    page.click("#close")
    page.click("#manage")
    expect(page.locator("#info dt").first).to_be_visible()
    found["library"] = axe.run(page).response["violations"]
    told = {
        where: [(one["id"], [node["html"] for node in one["nodes"]]) for one in rows] for where, rows in found.items()
    }
    assert told == {"hits": [], "preview": [], "library": []}
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    visit.faults = [one for one in visit.faults if "404" not in one]  # a language without texts of its own
    visit.end()


def test_hits_are_saved(visit: Visit) -> None:
    visit.ask("owls")
    with visit.page.expect_download() as download:
        visit.page.click("#json")
    hits = json.loads(Path(download.value.path()).read_text())
    with visit.page.expect_download() as download:
        visit.page.click("#csv")
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8"))))
    assert [row["id"] for row in rows] == [hit["id"] for hit in hits]


def test_the_page_is_up_and_answers_at_once(visit: Visit) -> None:
    begin = time.perf_counter()
    visit.page.reload()
    expect(visit.page.locator("#library option")).to_have_count(1)
    assert time.perf_counter() - begin < 2
