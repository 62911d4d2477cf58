"""``python -m demo._picture docs/demo.png``: three shells on one server, as their terminals showed them.

Needs the extra ``picture``. Each shell has a terminal (pty) of its own, in which the demo is typed, and
Ctrl-C in the one that counts; an emulator (pyte) keeps what is on the screens, and Pillow draws them.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import pty
import signal
import sys
import termios
import time
from pathlib import Path
from threading import Thread

import matplotlib as mpl
import pyte
from PIL import Image, ImageDraw, ImageFont
from pyte.screens import Char

from mongolock_async.testing import Mongod

COMMANDS = ("python -m demo", "python -m demo", "python -m demo --driver pymongo")
EVERY = 5
CTRL_C = "\x03"
# Lines of a screen for each tick, and beside its ticks.
COLUMNS, TICK, AROUND = 57, 5, 5
# Pixels, drawn twice as large as a web page shows them.
SIZE, LINE, EDGE, GAP = 22, 32, 24, 20
FONT = Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSansMono.ttf")
# Dim is not known to pyte.
DIM, GREY = b"\x1b[2m", b"\x1b[90m"
PAPER, WINDOW = "#00000000", "#161b22"
COLOURS = {"default": "#d0d7de", "green": "#3fb950", "brown": "#d29922", "brightblack": "#7d8590"}

Rows = list[list[Char]]


class Terminal:
    """A shell in a terminal of its own."""

    def __init__(self, lines: int, environment: dict[str, str]) -> None:
        self._screen = pyte.Screen(COLUMNS, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._pid, self._end = pty.fork()
        if self._pid == 0:
            os.execvpe("sh", ["sh"], environment)  # noqa: S606, S607 - the shell that is there
        termios.tcsetwinsize(self._end, (lines, COLUMNS))
        self._reader = Thread(target=self._read)
        self._reader.start()

    @property
    def rows(self) -> Rows:
        """What it shows now."""
        screen = self._screen
        return [
            [screen.buffer[line][column] for column in range(screen.columns)] for line in range(screen.lines)
        ]

    @property
    def counted(self) -> int:
        """At how many ticks it was the one."""
        return "".join(self._screen.display).count("Lock obtained")

    def type(self, text: str) -> None:
        """As a person would."""
        os.write(self._end, text.encode())

    def close(self) -> None:
        """Hang up."""
        os.kill(self._pid, signal.SIGHUP)
        os.waitpid(self._pid, 0)
        self._reader.join()
        os.close(self._end)

    def _read(self) -> None:
        try:
            while read := os.read(self._end, 4096):
                self._stream.feed(read.replace(DIM, GREY))
        except OSError:  # the other end is closed
            return


def shown(uri: str, ticks: int) -> list[Rows]:
    """Type the commands, and Ctrl-C at half of the ticks, in the terminal that counts; what is to be seen."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PS1": "$ ", "TERM": "linux", "MONGODB_URI": uri, "PATH": path}
    terminals = [Terminal(TICK * ticks + AROUND, environment) for _ in COMMANDS]
    try:
        time.sleep(EVERY - time.time() % EVERY + 0.5)  # so that all of them see the same first tick
        for terminal, command in zip(terminals, COMMANDS, strict=True):
            terminal.type(f"{command}\n")
        began = time.time() + 1
        time.sleep(began + ticks // 2 * EVERY - time.time())
        max(terminals, key=lambda terminal: terminal.counted).type(CTRL_C)
        time.sleep(began + ticks * EVERY - time.time())
        return [terminal.rows for terminal in terminals]
    finally:
        for terminal in terminals:
            terminal.close()


def drawn(terminals: list[Rows]) -> Image.Image:
    """The screens, beside each other."""
    font = ImageFont.truetype(str(FONT), SIZE)
    letter = font.getlength("m")
    width, height = round(letter * COLUMNS) + 2 * EDGE, LINE * len(terminals[0]) + 2 * EDGE
    image = Image.new("RGBA", ((width + GAP) * len(terminals) - GAP, height), PAPER)
    draw = ImageDraw.Draw(image)
    for number, rows in enumerate(terminals):
        left = number * (width + GAP)
        draw.rounded_rectangle((left, 0, left + width - 1, height - 1), radius=GAP, fill=WINDOW)
        for line, row in enumerate(rows):
            for column, character in enumerate(row):
                place = (left + EDGE + column * letter, EDGE + line * LINE)
                draw.text(place, character.data, COLOURS[character.fg], font)
    return image


async def main() -> None:
    """Make it."""
    parser = argparse.ArgumentParser(prog="python -m demo._picture", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--ticks", type=int, default=6, help="default: 6")
    options = parser.parse_args()
    async with Mongod() as server:
        terminals = await asyncio.to_thread(shown, server.uri, options.ticks)
    drawn(terminals).save(options.file, optimize=True)


if __name__ == "__main__":
    asyncio.run(main())
