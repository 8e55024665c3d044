"""`nestling`, the program: the group of its commands, which are in `commands`, and `main`.

Answers go to stdout, messages and progress to stderr. Exit codes: 0 fine, 1 a known error in one line, 2 wrong usage,
130 stopped with Ctrl-C.
"""

from __future__ import annotations

from typing import NoReturn

import click

from .commands import collect, doctor, inspect, mcp, measuring, options, program, search, serve, upgrade


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=options.examples(
        "nestling demo", "nestling add notes.nest ~/Documents", 'nestling search notes.nest "burns"'
    ),
)
@click.version_option(package_name="nestling")
def commands() -> None:
    """Search your documents on this machine: no network, no GPU."""


@commands.command(
    epilog=options.examples(
        'eval "$(nestling completion bash)"', "nestling completion fish > ~/.config/fish/completions/nestling.fish"
    )
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what completes commands in a shell."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(commands, {}, "nestling", "_NESTLING_COMPLETE").source())


for command in (
    collect.add, collect.sync, collect.refine, collect.remove, collect.forget, search.search, search.demo,
    inspect.info, inspect.check, inspect.dump, upgrade.upgrade, doctor.doctor, measuring.tune,
    measuring.evaluate_command, serve.serve, mcp.mcp,
):  # fmt: skip
    commands.add_command(command)


def main() -> NoReturn:
    """Run the command that was typed, and exit."""
    program.run(commands)


if __name__ == "__main__":
    main()
