"""The docs as a site: ``tox -e docs``, or ``sphinx-build -W -n docs docs/_build/html``."""

from __future__ import annotations

import logging
import re
from importlib.metadata import version as version_of
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

project = "mongolock_async"
author = "The mongolock_async authors"
project_copyright = author
release = version = version_of("mongolock-async")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
# Indented blocks are commands, documents and formulas; Python is fenced, and says so.
highlight_language = "none"
smartquotes_action = "D"  # dashes; a quoted word stays what it is
nitpicky = True
# The build needs no network, so that it reads no other project's inventory: what is Python's own, or a
# driver's, is named, and no link.
nitpick_ignore_regex = [
    (
        "py:.*",
        r"(asyncio|collections|datetime|types|typing|zoneinfo|pathlib|pymongo|motor|bson|opentelemetry)\..*",
    ),
    (
        "py:.*",
        r"(mongolock_async._api.lock.R|ZoneInfo|P|R|AsyncIterator|Callable|Awaitable|Coroutine|Any|Self|Path)",
    ),
]

myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_maximum_signature_line_length = 80

html_theme = "furo"
html_title = project
html_copy_source = False
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["site.css"]


PRIVATE = re.compile(r"mongolock_async\.(?:\w+\.)*_\w+\.(?:.*\.)?(\w+)$")
PUBLIC = ("mongolock_async", "mongolock_async.testing", "mongolock_async.monitoring", "mongolock_async.otel")


def public_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.Node | None:
    """The link to a name that signatures give by the private module in which it is made."""
    target = node["reftarget"]
    private = PRIVATE.match(target)
    name = private[1] if private else target
    python = env.domains.python_domain
    for module in PUBLIC if "." not in name else ():
        found = python.objects.get(f"{module}.{name}")
        if found is not None:
            if private:
                content = nodes.literal("", name, classes=content.get("classes", []))
            return python.resolve_xref(
                env, node["refdoc"], app.builder, "obj", f"{module}.{name}", node, content
            )
    return None


def no_type_before_a_colon(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Our docstrings say what is returned in a sentence; napoleon takes all before its colon for a type."""
    del app, what, name, obj, options
    for number, line in enumerate(lines):
        if line == "Returns:":
            lines[number : number + 2] = [f":returns: {lines[number + 1].strip()}"]


def no_signature_of_our_own(
    app: Sphinx,
    what: str,
    name: str,
    obj: object,
    options: object,
    signature: str | None,
    returns: str | None,
) -> tuple[str | None, str | None] | None:
    """What only we make has no arguments for a reader."""
    del app, name, obj, options
    if what == "class" and signature and re.search(r"\bmember\b|_Member|\bcollection: .*field", signature):
        return "", returns
    return None


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    # Of pages that are not there yet; suppress_warnings does not know this one.
    toctree = logging.getLogger("sphinx.sphinx.directives.other")
    toctree.addFilter(lambda record: getattr(record, "subtype", None) != "empty_glob")
    app.connect("missing-reference", public_name)
    app.connect("autodoc-process-docstring", no_type_before_a_colon, priority=100)  # before napoleon's 500
    app.connect("autodoc-process-signature", no_signature_of_our_own)
    return {"parallel_read_safe": True}
