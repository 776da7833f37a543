"""Pictures of graphs: every box and line is there, nothing overlaps, a page needs nothing beside it."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import adcore as ad
from adcore.errors import InputError
from adcore.explain import values_at
from adcore.registry import registry
from adcore.testing.programs import PROGRAMS
from adcore_formats.html import page
from adcore_formats.html.layers import Box, drawing
from adcore_formats.html.picture import picture


@pytest.fixture(scope="module", params=PROGRAMS, ids=lambda p: p.name)
def graph(request):
    kind = "grad" if request.param.scalar else "vjp"
    return ad.differentiate(ad.trace(request.param.f, *request.param.args), kind)


def test_every_format_names_every_op_and_output_of_a_graph(graph):
    registry()
    ops = {n.op.partition("::")[2] for n in graph.nodes}
    for name, format in registry().formats.items():
        text = format(graph)
        missing = [w for w in (*ops, *graph.input_names, *graph.output_names) if w not in text]
        assert not missing, f"{name} lacks {missing}"


def test_json_is_the_graph_with_its_sub_graphs(graph):
    found = json.loads(registry().formats["json"](graph))
    assert [n["op"] for n in found["nodes"]] == [n.op for n in graph.nodes]
    seen = {entry["value"] for entry in (*found["inputs"], *found["constants"])}
    for node in found["nodes"]:
        assert seen.issuperset(node["inputs"])
        seen |= {out["value"] for out in node["outputs"]}
    assert seen.issuperset(out["value"] for out in found["outputs"])


def test_dot_and_mermaid_only_draw_lines_between_boxes_that_they_have(graph):
    dot = registry().formats["dot"](graph)
    boxes = set(re.findall(r"^\s*(\w+) \[label", dot, re.MULTILINE))
    for a, b in re.findall(r"^\s*(\w+) -> (\w+)", dot, re.MULTILINE):
        assert {a, b} <= boxes
    assert dot.count("{") == dot.count("}")
    lines = registry().formats["mermaid"](graph).splitlines()
    boxes = {m[1] for line in lines if (m := re.match(r"\s*(?:subgraph )?(\w+)[\[(]", line))}
    for line in lines:
        if m := re.match(r"\s*(\w+) (?:-->|-\.-) (\w+)$", line):
            assert {m[1], m[2]} <= boxes


class _Page(HTMLParser):
    """The ids, lines and scripts of a page; tags must close in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.stack: list[str] = []
        self.items: list[str] = []
        self.lines: list[tuple[str, str]] = []
        self.text: dict[str, str] = {}
        self.feed(text)
        assert not self.stack

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if "item" in (given.get("class") or "").split():
            self.items.append(given["id"])
        if "line" in (given.get("class") or "").split():
            self.lines.append((given["data-from"], given["data-to"]))
        if tag not in ("meta", "input"):
            self.stack.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        if self.stack and self.stack[-1] == "script":
            self.text["data" if data.lstrip().startswith("{") else "script"] = data


def test_a_page_is_whole_and_needs_nothing_beside_it(graph):
    text = page(graph, plan=ad.plan(graph))
    assert not re.search(r"""(src|href)\s*=|@import|url\(|fetch\(|import\s*\(""", text)
    assert set(re.findall(r"https?://[^\s\"']+", text)) == {"http://www.w3.org/2000/svg"}
    assert "<!--" not in text.partition("<body>")[2]
    found = _Page(text)
    data = json.loads(found.text["data"])
    assert len(set(found.items)) == len(found.items) and set(found.items) == set(data["items"])
    assert {end for line in found.lines for end in line} <= set(found.items)


def test_a_page_shows_values_sources_and_the_memory_of_the_plan():
    graph = ad.trace(lambda x: np.sum(np.sin(x) * x), np.ones(3))
    values = values_at(graph, [np.array([1.0, 2.0, 3.0])])
    plan = ad.plan(graph)
    text = page(plan.graph, values if plan.graph is graph else None, plan)
    own = page(graph, values, None)
    assert "3.083" in own and Path(__file__).name in own and "float64[3]" in own
    data = json.loads(_Page(text).text["data"])
    assert max(data["plan"]["during"]) <= plan.cost.peak_bytes == data["plan"]["peak"]
    assert [n for n in data["plan"]["nodes"] if n >= 0] == [s.node for s in plan.steps if hasattr(s, "node")]
    steps = len(plan.steps)
    for node, lives in data["plan"]["lives"].items():
        assert all(0 <= a < b <= steps and data["plan"]["nodes"][a] == int(node) for a, b in lives)


def test_names_from_a_file_cannot_break_out_of_the_page():
    graph = ad.trace(lambda x: x * x, 1.0)
    from dataclasses import replace

    evil = '</script><img src="x" onerror="alert(1)">'
    text = page(replace(graph, input_names=(evil,), name=evil, output_names=("<b>",)), plan=None)
    assert "<img" not in text and text.count("</script>") == 2
    _Page(text)


def test_a_graph_that_is_too_large_for_a_page_is_refused():
    from adcore_formats.html import MOST_NODES

    graph = ad.trace(lambda x: x * x, 1.0)
    from dataclasses import replace

    with pytest.raises(InputError, match=r"too large for a page\n  graph .*\n  show it as text or json"):
        page(replace(graph, nodes=graph.nodes * (MOST_NODES + 1)))


@st.composite
def nets(draw):
    n = draw(st.integers(1, 25))
    boxes = [Box(draw(st.integers(10, 90)), draw(st.integers(10, 60))) for _ in range(n)]
    pairs = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda p: p[0] < p[1])
    lines = draw(st.lists(pairs, max_size=50, unique=True)) if n > 1 else []
    return boxes, lines


@given(nets())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_boxes_never_overlap_and_lines_run_down_from_box_to_box(net):
    boxes, lines = net
    found = drawing(boxes, lines)
    spans = [(x, y, x + b.width, y + b.height) for (x, y), b in zip(found.corners, boxes, strict=True)]
    for i, a in enumerate(spans):
        assert a[0] >= -1e-6 and a[2] <= found.width + 1e-6 and a[3] <= found.height + 1e-6
        for b in spans[:i]:
            assert a[2] <= b[0] + 1e-6 or b[2] <= a[0] + 1e-6 or a[3] <= b[1] + 1e-6 or b[3] <= a[1] + 1e-6
    for (i, j), points in zip(lines, found.lines, strict=True):
        ys = [y for _, y in points]
        assert ys == sorted(ys) and ys[0] == pytest.approx(spans[i][3]) and ys[-1] == pytest.approx(spans[j][1])
        assert spans[i][0] <= points[0][0] <= spans[i][2] and spans[j][0] <= points[-1][0] <= spans[j][2]


def test_a_drawing_with_very_many_long_lines_is_made_in_time_with_the_longest_straight():
    n = 600
    boxes = [Box(20, 10)] * (2 * n)
    chain = [(i, i + 1) for i in range(2 * n - 1)]
    back = [(i, 2 * n - 1 - i) for i in range(n - 1)]  # as of a gradient: what is made first is used last
    found = drawing(boxes, chain + back)
    straight = [len(points) == 2 for points in found.lines[len(chain) :]]
    assert straight[0] and not straight[-1] and straight == sorted(straight, reverse=True)


def test_large_sub_graphs_are_views_and_small_ones_stand_inside_their_box():
    def long(c, x):
        for _ in range(20):
            c = np.sin(c) * x
        return c, c

    graph = ad.trace(lambda c, xs: ad.scan(long, c, xs)[0], 1.0, np.ones(3))
    found = picture(graph)
    assert list(found.all_views()) == ["n0-step"] and found.height < 400
    small = picture(ad.trace(lambda c, xs: ad.scan(lambda c, x: (c * x, c), c, xs)[0], 1.0, np.ones(3)))
    assert not small.all_views() and {"n0-step-n0", "n0"} <= {i.id for i in small.all_items()}
