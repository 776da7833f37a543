"""Files that were made to do harm, by chance or by hand: bounded time and memory, our own error, no code run."""

from __future__ import annotations

import resource
from typing import Any

import msgpack
import numpy as np
import pytest
from mutants import files, mutant, parts, sealed
from outcomes import nothing_but_memory, outcome

import adcore as ad
from adcore.errors import FileFormatError, InputError
from adcore.serialize.limits import WORDS, Limits

MEMORY = 300 << 20
"""Bytes by which the process may grow while it reads all mutants."""


def read_mutants(seeds: range) -> None:
    for data in files():
        outcome(data)  # what is imported on first use is imported now
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused = 0
    with nothing_but_memory():
        for seed in seeds:
            right, data = mutant(seed)
            graph = outcome(data)
            refused += graph is None
            if graph is not None and parts(data)[0] == parts(right)[0]:
                assert graph.identity == ad.loads(right).identity
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10 < MEMORY
    assert refused > len(seeds) // 2


def test_two_thousand_mutants_end_in_our_error_or_a_right_graph() -> None:
    read_mutants(range(2000))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_a_hundred_thousand_mutants_end_in_our_error_or_a_right_graph(part: int) -> None:
    read_mutants(range(2000 + 10_000 * part, 12_000 + 10_000 * part))


@pytest.mark.parametrize("place", range(128))
def test_no_bit_of_the_header_may_be_another(place: int) -> None:
    for bit in range(8):
        broken = bytearray(files()[0])
        broken[place] ^= 1 << bit
        assert outcome(bytes(broken)) is None


def test_no_bit_of_a_tensor_may_be_another_unless_it_is_not_verified() -> None:
    data = files()[3]
    assert parts(data)[2]
    broken = bytearray(data)
    broken[-1] ^= 1
    with pytest.raises(FileFormatError, match=r"^the file is damaged: the checksum of tensor 0 is wrong\n  bytes\n"):
        ad.loads(bytes(broken))
    assert ad.loads(bytes(broken), verify=False).identity == ad.loads(data).identity


# --- bombs ---------------------------------------------------------------------------------------


def altered(which: int, change: Any) -> bytes:
    """A file whose meaning was changed by a function on nested lists."""
    meaning, notes, tensors = parts(files()[which])
    tree = msgpack.unpackb(meaning)
    change(tree)
    return sealed(msgpack.packb(tree), notes, tensors)


def test_a_forged_length_builds_nothing() -> None:
    meaning, notes, tensors = parts(files()[0])
    for code in b"\xdd\xc6\xdb\xdf\xdc\xc9":  # arrays, bytes, text, maps, extensions
        head = bytes([code]) + b"\xff" * 5
        for start in (0, 1, 2, 10, len(meaning) // 2):
            assert outcome(sealed(meaning[:start] + head + meaning[start:], notes, tensors)) is None


def test_sub_graphs_that_double_at_each_level_are_counted_before_they_are_walked() -> None:
    x = np.float64(0.5)
    for _ in range(2**5):
        x = np.sin(x)
    assert ad.loads(nested(5))(0.5) == x
    with pytest.raises(FileFormatError, match="is more than the limit of 5000000 nodes"):
        ad.loads(nested(40))
    with pytest.raises(FileFormatError, match="is more than the limit of 64 levels of nesting"):
        ad.loads(nested(70), limits={"nodes": 2**100, "values": 2**100})


def nested(depth: int) -> bytes:
    """A file of graphs, each of which calls the one before it twice."""
    graph = ad.trace(lambda x: ad.region(lambda x: np.sin(x), name="r")(x), 1.0)
    meaning, notes, tensors = parts(graph.dumps())
    tree, told = msgpack.unpackb(meaning), msgpack.unpackb(notes)
    inner, outer = tree[4]
    call = next(row for row in outer[5] if len(row[1]))
    which = next(i for i, x in enumerate(call[1]) if isinstance(x, int))
    graphs = [inner]
    for i in range(depth):
        row = [call[0], list(call[1]), call[2], call[3]]
        row[1][which] = i
        again = list(inner)
        again[5], again[6] = [row], [[0, 0], [0, 1]]
        again[7] = [[inner[7][0][0], 2]]
        graphs.append(again)
    tree[4] = graphs
    told[2] = [told[2][0]] * len(graphs)
    told[5] = [b"\0" * 4 * len(g[6]) for g in graphs]
    return sealed(msgpack.packb(tree), msgpack.packb(told), tensors)


def test_a_tree_nested_too_deep_is_refused() -> None:
    def change(tree: Any) -> None:
        for _ in range(200):
            tree[4][-1][8] = ["tuple", [tree[4][-1][8]]]

    with pytest.raises(FileFormatError, match="65 is more than the limit of 64 levels of nesting"):
        ad.loads(altered(0, change))


def test_a_type_of_more_bytes_than_there_are_is_refused() -> None:
    def change(tree: Any) -> None:
        tree[2][0] = ["float64", [2**40, 2**40]]

    with pytest.raises(FileFormatError, match=r"float64\[1099511627776,1099511627776\] has too many elements"):
        ad.loads(altered(0, change))


@pytest.mark.parametrize("limit", sorted(WORDS.keys() - {"probe"}))
def test_every_limit_holds_and_can_be_raised(limit: str) -> None:
    with pytest.raises(FileFormatError, match=f"limits={{'{limit}': \\d+}}") as caught:
        for data in files():
            ad.loads(data, limits={limit: 0})
    assert f"is more than the limit of 0 {WORDS[limit]}" in caught.value.what
    assert ad.loads(files()[0], limits={limit: getattr(Limits(), limit) * 2}).identity


def test_ops_without_infer_are_not_run_on_large_arrays() -> None:
    @ad.op("hostile::sorted")
    def sorted_(x: Any) -> Any:
        return np.sort(x)

    data = ad.trace(lambda x: sorted_(x), np.zeros(1000)).dumps()
    assert ad.loads(data).nodes[0].op == "hostile::sorted"
    with pytest.raises(FileFormatError, match="8000 is more than the limit of 7999 bytes to infer types with"):
        ad.loads(data, limits={"probe": 7999})


def test_an_unknown_limit_is_named() -> None:
    with pytest.raises(
        InputError, match="limit 'nodse' is unknown or no positive integer\n  in limits=\n  there are: b"
    ):
        ad.loads(files()[0], limits={"nodse": 3})


@pytest.mark.parametrize(
    "message", ["{0.__class__}", "{0:>9999999}", "{x}", "{0[0]}", "{0!r}", "{1}", "{", "{} {0}", "a\x1b[2J"]
)
def test_a_message_reads_nothing_but_its_values(message: str) -> None:
    def change(tree: Any) -> None:
        tree[4][-1][9][0][1] = message

    assert outcome(altered(0, change)) is None


def test_what_a_file_names_is_never_opened_or_imported(tmp_path: Any) -> None:
    meaning, notes, tensors = parts(files()[0])
    told = msgpack.unpackb(notes)
    told[3] = ["os.py"] * len(told[3])
    told[1] = [["os; import os", "1"]] * len(told[1])
    with nothing_but_memory():
        graph = ad.loads(sealed(meaning, msgpack.packb(told), tensors))
    assert str(graph.nodes[0].source).startswith("os.py:")
    for path in ("/etc/passwd", "../secret", "C:/x", "a//b", ""):
        told[3] = [path] * len(told[3])
        with pytest.raises(FileFormatError, match="is no relative path"):
            ad.loads(sealed(meaning, msgpack.packb(told), tensors))


def test_names_that_are_code_are_names() -> None:
    code = "x, y); __import__('os').system('true'); print("
    graph = ad.trace(lambda t: ad.region(lambda x: np.sin(x) + 1.0, name=code)(t[code]), {code: np.ones(3)})
    again = ad.loads(graph.dumps())
    assert again.input_names == (f"t.{code}",)
    again.compile()(np.ones(3))  # what is imported on first use is imported now
    with nothing_but_memory(allowed=("exec ",)):  # of the program that is made from numbers of values
        found = ad.loads(graph.dumps()).compile()(np.ones(3))
        ad.differentiate(ad.loads(graph.dumps()), "vjp").compile()
    assert found.tolist() == (np.sin(np.ones(3)) + 1.0).tolist()


def test_data_that_is_no_file_is_refused() -> None:
    for data in (b"", b"\x89ADG", b"PK\x03\x04" + bytes(200), bytes(500), np.random.default_rng(0).bytes(5000)):
        with pytest.raises(FileFormatError, match=r"^it does not start as a graph file does\n  bytes\n  give a file"):
            ad.loads(data)
    with pytest.raises(InputError, match=r"a str holds no bytes\n  in ad\.loads\n  give what"):
        ad.loads("text")  # type: ignore[arg-type]
