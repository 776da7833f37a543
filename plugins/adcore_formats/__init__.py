"""Ways to show a graph: text, json, dot, mermaid, html. Each is a function of a graph that gives text.

values: arrays by the number of their value (`adcore.extend.numbering`), to be shown too; None: no values.
plan: when the nodes run, for the memory timeline of the page that html makes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from adcore.extend import hookimpl
from adcore_formats.data import json_of
from adcore_formats.dot import dot
from adcore_formats.html import page
from adcore_formats.mermaid import mermaid
from adcore_formats.text import text


@hookimpl
def adcore_register_formats() -> Mapping[str, Callable[..., str]]:
    """The formats by name."""
    return {"text": text, "json": json_of, "dot": dot, "mermaid": mermaid, "html": page}
