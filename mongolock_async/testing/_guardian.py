"""Stands between a test run and its server, so that the server never outlives the run.

Runs as a script of its own: ``_guardian.py DIRECTORY COMMAND...``. Each byte on standard input
starts the command, and its pid is printed. At the end of the input, which comes with the end of
the parent however it ends, the server is killed and the directory removed.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys

REAP_EVERY = 0.02


def main(directory: str, command: list[str]) -> None:
    """Serve until the input ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    server: subprocess.Popen[bytes] | None = None
    try:
        while True:
            asked, _, _ = select.select([0], [], [], REAP_EVERY)
            if asked and not os.read(0, 1):
                return
            if asked:
                server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # noqa: S603 - our parent's own command
                print(server.pid, flush=True)  # noqa: T201 - the answer to our parent
            if server is not None:
                server.poll()
    finally:
        if server is not None:
            server.kill()
            server.wait()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
