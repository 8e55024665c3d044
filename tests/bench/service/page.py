"""How soon the page is there, and how soon after a key its hits are, in a real browser.

    python -m tests.bench.service.page TEXT_FOLDER WORK_FOLDER [-o tests/bench/results/page.json]

TEXT_FOLDER holds files of public text, see `tests.bench.library.large`; WORK_FOLDER keeps the library. Each question is
typed but for its last letter; what is timed is from that key to the drawn hits of the whole question, with the time
that the page waits for a further key. Needs the extra test, Chromium and a quiet machine.
"""

from __future__ import annotations

import shutil
import statistics
import time
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright

from ..library.large import questions
from ..machine import described, finished
from .served import Served, given, library_of, serving

DOCUMENTS, ASKED, OPENED = 20_000, 60, 5
# Types the last key, and waits until hits are drawn after the answer to the whole question; gives the milliseconds.
DRAWN = """([asked, key]) => new Promise((done) => {
    const box = document.getElementById("query"), list = document.getElementById("hits"), fetched = window.fetch;
    let answered = false;
    window.fetch = async (...given) => {
        const answer = await fetched(...given);
        if (new URL(given[0], location).searchParams.get("q") === asked) answered = true;
        return answer;
    };
    const begin = performance.now();
    new MutationObserver((_, own) => {
        if (!answered) return;
        own.disconnect();
        window.fetch = fetched;
        requestAnimationFrame(() => done(performance.now() - begin));
    }).observe(list, { childList: true });
    box.value += key;
    box.dispatchEvent(new Event("input", { bubbles: true }));
})"""


def main() -> None:
    arguments = given(__doc__, "page.json")
    library = library_of(arguments.texts, arguments.work / "library.nest", DOCUMENTS)
    asked = questions(arguments.texts)[:ASKED]
    with serving(library) as service:
        result = measured(service, asked)
    command = f"python -m tests.bench.service.page {arguments.texts} WORK_FOLDER"
    finished(arguments.output, {**described(command, 2), "documents": DOCUMENTS, **result})
    print(result)


def measured(service: Served, asked: list[str]) -> dict[str, Any]:
    """All figures of the page."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        raise SystemExit("there is no Chromium here; Debian: apt install chromium")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        opened, weight = [], 0
        for _ in range(OPENED):
            context = browser.new_context()
            page = context.new_page()
            sizes: list[int] = []
            page.on("requestfinished", lambda request, sizes=sizes: sizes.append(request.sizes()["responseBodySize"]))
            begin = time.perf_counter()
            page.goto(service.address)
            page.wait_for_selector("#query:focus")
            opened.append(time.perf_counter() - begin)
            page.wait_for_load_state("networkidle")
            weight = sum(sizes)
            context.close()
        page = browser.new_context().new_page()
        page.goto(service.address)
        typed(page, asked[0])
        keys = [typed(page, question) for question in asked]
        browser.close()
    return {
        "started_s": service.started_s,
        "opened_s": statistics.median(opened),
        "bytes": weight,
        "keys": len(keys),
        "key_p50_ms": float(np.median(keys)),
        "key_p95_ms": float(np.percentile(keys, 95)),
        "key_worst_ms": max(keys),
    }


def typed(page: Page, question: str) -> float:
    """Milliseconds from the last key of a question to its hits, those of the question but for that key being shown."""
    page.fill("#query", question[:-1])
    page.wait_for_load_state("networkidle")
    return float(page.evaluate(DRAWN, [question, question[-1]]))


if __name__ == "__main__":
    main()
