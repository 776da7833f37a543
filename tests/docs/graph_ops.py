"""docs/graph_ops.md, the table of the ops of adcore: `python tests/docs/graph_ops.py > docs/graph_ops.md`."""

from __future__ import annotations

from typing import Any

from adcore.registry import doors, registry

HEAD = """\
# The ops of graphs

What a graph is made of, as `adcore ops` lists it. Domain and name stand in files, with the version. Which function of
NumPy or SciPy becomes which ops, and what works of it, is in [what works](ops.md).

| op | version | params | derivative | |
|---|---|---|---|---|
"""


def derivative(op: Any) -> str:
    """How its derivative is stated."""
    if op.rule is None:
        return "none"
    if op.rule.kind != "rule":
        return str(op.rule.kind)
    return ", ".join(half for half in ("jvp", "vjp", "tape") if getattr(op.rule, half) is not None)


def page() -> str:
    """The page."""
    doors["load"](None)
    known = registry()
    rows = []
    for name, op in sorted(known.ops.items()):
        if known.origins["ops", name].distribution == "adcore" and not name.startswith("test"):
            said = op.doc.split("\n\n")[0].replace("\n", " ").replace("|", "\\|").replace("](", "] (")
            rows.append(f"| `{name}` | {op.version} | {', '.join(op.params)} | {derivative(op)} | {said} |")
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(page(), end="")
