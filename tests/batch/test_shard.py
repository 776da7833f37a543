"""The container of results: what is written comes back, and no altered byte gets through."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from adcore.errors import FileFormatError
from adcore.serialize.shard import DTYPES, decode, encode, read

ARRAYS = {
    "value": np.array(1.5),
    "grad.x": np.arange(15.0).reshape(3, 5)[:, ::-1],
    "none": np.zeros((0, 7), np.int32),
    "flag": np.array([True, False]),
    "z": np.array([1 + 2j], np.complex64),
}


def test_arrays_come_back_with_their_bits_and_alignment(tmp_path):
    path = tmp_path / "a.shard"
    path.write_bytes(encode(ARRAYS, {"ran": 3, "failures": [[1, "E"]]}))
    shard = read(path, verify=True)
    assert list(shard) == list(ARRAYS)
    assert shard.meta == {"ran": 3, "failures": [[1, "E"]]}
    for name, array in ARRAYS.items():
        assert shard[name].tobytes() == array.tobytes()
        assert (shard[name].dtype, shard[name].shape) == (array.dtype, array.shape)
        assert not shard[name].flags.writeable
        assert shard.entries[name].offset % 64 == 0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(DTYPES).flatmap(lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=0, min_side=0)))))
def test_any_arrays_come_back(arrays):
    shard = decode(encode({f"a{n}": array for n, array in enumerate(arrays)}, {}))
    for n, array in enumerate(arrays):
        assert shard[f"a{n}"].tobytes() == array.tobytes()
        assert shard[f"a{n}"].shape == array.shape


def test_every_flipped_bit_and_every_truncation_is_refused():
    good = encode(ARRAYS, {"ran": 3})
    rng = np.random.default_rng(20)
    for place in range(len(good)):
        bad = bytearray(good)
        bad[place] ^= 1 << rng.integers(8)
        with pytest.raises(FileFormatError):
            decode(bytes(bad))
    for length in range(len(good)):
        with pytest.raises(FileFormatError):
            decode(good[:length])
    with pytest.raises(FileFormatError, match=r"its header says \d+"):
        decode(good + b"\0")


def test_altered_data_is_named(tmp_path):
    path = tmp_path / "a.shard"
    raw = bytearray(encode({"y": np.ones(100)}, {}))
    raw[-1] ^= 1
    path.write_bytes(raw)
    read(path)
    with pytest.raises(FileFormatError) as caught:
        read(path, verify=True)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("the bytes of array 'y' were altered: sha256 ")
    assert lines[1] == f"  shard {path}, 800 bytes at 0 of its data"
    assert lines[2] == "  remove the file; `adcore batch resume` computes its items again"


def test_a_dtype_that_no_shard_holds_is_refused_with_the_list():
    with pytest.raises(FileFormatError) as caught:
        encode({"names": np.array(["a"])}, {})
    assert str(caught.value) == (
        "array 'names' has dtype <U1, which a shard does not hold\n  shape (1,)\n  use one of bool, int8, uint8, "
        "int16, uint16, int32, uint32, int64, uint64, float16, float32, float64, complex64, complex128"
    )
