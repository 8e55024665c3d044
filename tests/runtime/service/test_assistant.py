"""The MCP server, asked by the SDK's own client: in this process, and over stdin and stdout."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters
from services import LOOPBACK, library_at

from nestling import Document, Library
from nestling.service.assistant import server, uri_of
from processes import guarded_environment

from .conftest import LETTERS, NOTES

LONG = Document("a/long one?", "Owls hunt. 🦉 " * 5000, "Long")


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return [library_at(tmp_path / "notes.nest", [*NOTES, LONG]), library_at(tmp_path / "letters.nest", LETTERS)]


def within(paths: list[Path], writable: bool, ask: Callable[[Client], Awaitable[Any]]) -> Any:
    """What a client in this process finds."""
    with Library(paths[0]) as notes, Library(paths[1]) as letters:

        async def asked() -> Any:
            async with Client(server({"notes": notes, "letters": letters}, writable, "1")) as client:
                return await ask(client)

        return anyio.run(asked)


async def told(client: Client, tool: str, **given: Any) -> Any:
    """A tool's answer; the text of its error where it is one."""
    result = await client.call_tool(tool, given)
    (content,) = result.content
    return content.text if result.is_error else json.loads(content.text)


def called(paths: list[Path], tool: str, writable: bool = False, **given: Any) -> Any:
    return within(paths, writable, lambda client: told(client, tool, **given))


def test_it_searches_and_reads(paths: list[Path]) -> None:
    found = called(paths, "search", query="when do owls sleep?", k=2)
    assert found["hits"][0]["id"] == "owls"
    assert "**" in found["hits"][0]["snippet"]
    assert called(paths, "search", query="rent", library_name="letters")["hits"][0]["id"] == "letter"
    narrowed = called(paths, "search", query="water", where=["year>=2024"])
    assert [hit["id"] for hit in narrowed["hits"]] == ["burns"]
    read = called(paths, "get", id="burns", start=0, stop=6)
    assert (read["text"], read["title"], read["characters"]) == ("Cool a", "Burns", len(NOTES[1].text))
    assert called(paths, "status")["documents"] == 4
    listed = called(paths, "list")["documents"]
    assert [one["id"] for one in listed] == sorted(one["id"] for one in listed)
    assert called(paths, "list", after="burns")["documents"][0]["id"] > "burns"


@pytest.mark.parametrize("max_bytes", [1000, 2500, 20_000])
def test_an_answer_never_exceeds_its_bytes(paths: list[Path], max_bytes: int) -> None:
    async def sizes(client: Client) -> list[int]:
        answers = [
            await client.call_tool(tool, {**given, "max_bytes": max_bytes})
            for tool, given in (
                ("search", {"query": "owls", "k": 50}), ("get", {"id": LONG.id}), ("list", {}), ("status", {}),
            )
        ]  # fmt: skip
        unknown = await client.call_tool("get", {"id": "x" * 50_000, "max_bytes": max_bytes})
        assert unknown.is_error
        return [len(answer.model_dump_json(include={"content", "structured_content"}).encode()) // 2
                for answer in [*answers, unknown]]  # fmt: skip  # a quote in JSON is two more in the frame around it

    assert max(within(paths, False, sizes)) <= max_bytes


def test_a_long_document_is_read_part_by_part(paths: list[Path]) -> None:
    async def whole(client: Client) -> str:
        parts, begin = [], 0
        while begin < len(LONG.text):
            part = await told(client, "get", id=LONG.id, start=begin, max_bytes=9000)
            assert part["start"] == begin < part["stop"]
            parts.append(part["text"])
            begin = part["stop"]
        return "".join(parts)

    assert within(paths, False, whole) == LONG.text


@pytest.mark.parametrize(
    ("tool", "given", "sentence"),
    [
        ("search", {"query": " "}, "the query is empty; give a question or a few words"),
        ("search", {"query": "a", "where": ["(year>1"]}, "cannot read the filter '(year>1', expected"),
        ("search", {"query": "a", "library_name": "x"}, "there is no library 'x', expected one of notes, letters"),
        ("get", {"id": "nowhere"}, "there is no document 'nowhere'; search gives the ids that there are"),
        ("get", {"id": "owls", "start": 999}, "start is 999, expected at most 36"),
        ("search", {"query": "a", "k": 0}, "k"),
        ("add", {"id": "a", "text": "b"}, "add"),
    ],
)
def test_a_known_error_is_told(paths: list[Path], tool: str, given: dict[str, Any], sentence: str) -> None:
    found = called(paths, tool, **given)
    assert isinstance(found, str)
    assert sentence in found


def test_what_changes_a_library_is_there_where_it_was_allowed(paths: list[Path], tmp_path: Path) -> None:
    async def tools(client: Client) -> dict[str, Any]:
        return {tool.name: tool.annotations for tool in (await client.list_tools()).tools}

    reading = within(paths, False, tools)
    assert set(reading) == {"search", "get", "list", "status"}
    assert all(one.read_only_hint and not one.open_world_hint for one in reading.values())
    writing = within(paths, True, tools)
    assert set(writing) - set(reading) == {"add", "sync"}
    assert not any(writing[name].read_only_hint for name in ("add", "sync"))
    assert called(paths, "add", True, id="new", text="Bees dance.")["added"] == 1
    assert called(paths, "search", query="bees", k=1)["hits"][0]["id"] == "new"
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "moths.txt").write_text("Moths fly to light.")
    assert called(paths, "sync", True, path=str(tmp_path / "folder"))["added"] == 1
    assert "nowhere" in called(paths, "sync", True, path=str(tmp_path / "nowhere"))


def test_documents_are_resources(paths: list[Path]) -> None:
    async def read(client: Client) -> tuple[str, str]:
        for id in ("/abs/../path.txt", "50%20off"):
            await told(client, "add", id=id, text=id)
            assert (await client.read_resource(uri_of(id))).contents[0].text == id
        texts = [(await client.read_resource(uri_of(id))).contents[0].text for id in (LONG.id, "letter")]
        with pytest.raises(Exception, match="there is no document 'nowhere'"):
            await client.read_resource(uri_of("nowhere"))
        return texts[0], texts[1]

    long, short = within(paths, True, read)
    assert short == LETTERS[0].text
    assert long == f"{LONG.text[:50_000]}\n[{len(LONG.text) - 50_000} characters more: use get]"


def test_it_speaks_over_stdin_and_stdout(paths: list[Path]) -> None:
    arguments = ["-m", "nestling.cli", "mcp", *map(str, paths)]
    parameters = StdioServerParameters(
        command=sys.executable, args=arguments, env={**guarded_environment(), LOOPBACK: "1"}
    )

    async def asked() -> Any:
        async with Client(parameters) as client:
            return await told(client, "search", query="when do owls sleep?")

    assert anyio.run(asked)["hits"][0]["id"] == "owls"


def test_it_ends_where_stdin_does_and_says_nothing_else(paths: list[Path]) -> None:
    command = [sys.executable, "-m", "nestling.cli", "mcp", *map(str, paths)]
    environment = {**guarded_environment(), LOOPBACK: "1"}
    ended = subprocess.run(command, input="", capture_output=True, text=True, check=False, timeout=60, env=environment)
    assert (ended.returncode, ended.stdout) == (0, "")
    ended = subprocess.run(
        command, input="no json\n", capture_output=True, text=True, check=False, timeout=60, env=environment
    )
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in ended.stdout.splitlines())
