"""Graphs as files, and files as graphs: `docs/format.md` describes them byte by byte."""

from adcore.serialize.limits import Limits
from adcore.serialize.read import decode, load
from adcore.serialize.write import dumps, encode, identity, save

__all__ = ["Limits", "decode", "dumps", "encode", "identity", "load", "save"]
