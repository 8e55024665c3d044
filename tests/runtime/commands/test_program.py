"""What a command raises on purpose is one line; anything else shows as the defect that it is."""

from __future__ import annotations

import sys

import click
import pytest

from nestling.commands.program import run
from nestling.errors import NestlingError


def raising(error: BaseException) -> click.Group:
    """A group with a command that ends in an error."""

    @click.group()
    def group() -> None:
        pass

    @group.command()
    def fall() -> None:
        raise error

    return group


@pytest.fixture(autouse=True)
def typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["program", "fall"])


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (NestlingError("a.nest: is none; make one"), 1, "error: a.nest: is none; make one"),
        (NestlingError("two\nlines \x1b[2J"), 1, "error: two lines  [2J"),
        (PermissionError(13, "Permission denied", "a.nest"), 1, "error: a.nest: Permission denied"),
        (OSError(28, "No space left on device"), 1, "error: the system: No space left on device"),
        (
            KeyboardInterrupt(),
            130,
            "stopped; what was done is kept, and the same command goes on from there",
        ),
    ],
)
def test_a_known_error_is_one_line(
    error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit:
        run(raising(error))
    assert exit.value.code == code
    assert capsys.readouterr().err.strip().splitlines() == [line]


@pytest.mark.parametrize("error", [ValueError("shapes (3,) and (4,)"), TypeError("no len()"), KeyError("a")])
def test_a_defect_is_not_hidden(error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        run(raising(error))
    assert raised.value is error
