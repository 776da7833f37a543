"""What Hypothesis draws: programs go through a file unchanged, edited files end in an error or in what they say."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from outcomes import outcome
from strategies import edited_files, graphs

import adcore as ad


@settings(max_examples=60)
@given(graphs())
def test_any_graph_goes_through_a_file_unchanged(graph: ad.Graph) -> None:
    data = graph.dumps()
    again = outcome(data)
    assert again is not None and again.dumps() == data
    assert again.identity == graph.identity and str(again) == str(graph)
    assert again.in_tree == graph.in_tree and again.out_tree == graph.out_tree
    xs = [np.full(v.type.shape, 0.3, v.type.dtype) for v in graph.inputs]
    with np.errstate(all="ignore"):
        for a, b in zip(graph.compile().all(*xs), again.compile().all(*xs), strict=True):
            assert a.tobytes() == b.tobytes()


@settings(max_examples=200)
@given(edited_files())
def test_any_edit_ends_in_our_error_or_in_what_it_says(data: bytes) -> None:
    outcome(data)


@settings(max_examples=40)
@given(graphs(), graphs())
def test_identities_tell_graphs_apart(one: ad.Graph, two: ad.Graph) -> None:
    assert (one.identity == two.identity) == (ad.loads(one.dumps()).identity == ad.loads(two.dumps()).identity)
    if one.identity == two.identity:
        assert str(one) == str(two)
