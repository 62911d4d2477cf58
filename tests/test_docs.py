"""What the pages in docs say of the code, held still."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages import DOCS, PAGES, ROOT

# The modules whose names are public: all of them stand on the page of the API.
PUBLIC = ["mongolock_async", "mongolock_async.monitoring", "mongolock_async.otel", "mongolock_async.testing"]
TEST = re.compile(r"`(?:tests/)?((?!tests/)\w+/test_\w+\.py)(?:::(test_\w+))?`")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")
# So much of a line tells which it is.
BEGINNING = 50
LEVELS = {"info": "INFO", "warning": "WARNING", "error": "ERROR", "exception": "ERROR"}
# Lines that are written by another module, which is given them.
GIVEN = {"ONE": "warning", "MANY": "warning"}


def log_lines() -> Iterator[tuple[str, str]]:
    """The level and the template of every log line of the package."""
    for path in sorted((ROOT / "mongolock_async").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name("logger"), attr=how), args=[ast.Constant(str(text)), *_]
                ):
                    yield LEVELS[how], text
                case ast.Assign(targets=[ast.Name(name)], value=ast.Constant(str(text))) if name in GIVEN:
                    yield LEVELS[GIVEN[name]], text


def as_pattern(template: str) -> str:
    """What a line looks like, as far as its template says."""
    return re.sub("%[rsdg]", ".+", re.escape(template).replace("\\ ", " "))


def test_every_log_line_stands_on_the_page_about_operating() -> None:
    lines = set(log_lines())
    assert len(lines) > 20
    page = (DOCS / "operating.md").read_text()
    for level, text in lines:
        beginning = as_pattern(re.sub("%[a-z]?$", "", text[:BEGINNING]))
        assert re.search(rf"^\| {level} \| `{beginning}", page, re.MULTILINE), text


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_stands_on_the_page_of_the_api(module: str) -> None:
    _, _, section = (DOCS / "api.md").read_text().partition(f".. py:module:: {module}\n")
    shown = re.findall(r"^\.\. auto\w+:: (\w+)", section.partition(".. py:module::")[0], re.MULTILINE)
    assert sorted(shown) == sorted(importlib.import_module(module).__all__)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_every_test_that_a_page_names_is_there(page: Path) -> None:
    for file, test in TEST.findall(page.read_text()):
        text = (ROOT / "tests" / file).read_text()
        assert not test or f"def {test}(" in text, f"{file}::{test}"


def test_the_guarantees_name_their_tests() -> None:
    assert len(TEST.findall((DOCS / "guarantees.md").read_text())) > 40


def test_every_file_that_the_readme_links_to_is_there() -> None:
    assert [
        link for link in LINK.findall((ROOT / "README.md").read_text()) if not (ROOT / link).exists()
    ] == []


def test_every_recipe_is_shown() -> None:
    shown = re.findall(r"literalinclude\} (\S+)", (DOCS / "recipes" / "programs.md").read_text())
    assert sorted(shown) == sorted(
        path.name for path in (DOCS / "recipes").iterdir() if path.suffix in {".py", ".yaml"}
    )
