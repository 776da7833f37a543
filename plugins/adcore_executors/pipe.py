"""The wire between the local executor and a worker process: frames on two pipes, and a page of shared memory.

`python -m adcore_executors.pipe PAGE` is such a worker.

frame    8 bytes little-endian length, then so many bytes
first    the Setup as JSON; then one chunk per frame, [number, [[first, count, offset], ...]]
back     "ready"; then one frame per chunk: b"+" and its shard, or b"-" and why there is none
page     chunk and item that run now, two int64; the driver reads them when the worker is gone
"""

import faulthandler
import json
import mmap
import os
import queue
import signal
import struct
import sys
import threading
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import IO

from adcore.extend import Chunk, Setup, run_chunk

LENGTH = struct.Struct("<Q")
PLACE = struct.Struct("<qq")
READY = b"ready"


def send(stream: IO[bytes], payload: bytes) -> None:
    """Write one frame."""
    stream.write(LENGTH.pack(len(payload)))
    stream.write(payload)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes | None:
    """The next frame, or None when the other side has gone."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    size = LENGTH.unpack(head)[0]
    payload = stream.read(size)
    return payload if len(payload) == size else None


class Page:
    """A small file that both sides map: where the worker is."""

    def __init__(self, path: Path, create: bool = False) -> None:
        if create:
            path.write_bytes(PLACE.pack(-1, -1).ljust(4096, b"\0"))  # in full, or a full disk kills later
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), 4096)

    def enter(self, chunk: int, item: int) -> None:
        """The worker says what it does."""
        PLACE.pack_into(self._map, 0, chunk, item)

    def look(self) -> tuple[int, int]:
        """Chunk and item that run, or ran when the worker died; -1 for none."""
        chunk, item = PLACE.unpack_from(self._map, 0)
        return chunk, item


def pack_setup(setup: Setup) -> bytes:
    """The first frame."""
    return json.dumps({**asdict(setup), "options": {}}).encode()


def pack_chunk(chunk: Chunk) -> bytes:
    """A frame with a chunk; the worker reads its lines from the manifest itself."""
    return json.dumps([chunk.number, chunk.spans]).encode()


def serve() -> None:
    """Answer chunks until the driver closes the pipe; then end at once, even in the middle of an item."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the driver decides
    inward, outward = _take_pipes()
    faulthandler.enable()
    first = receive(inward)
    if first is None:
        return
    setup = Setup(**json.loads(first))
    page = Page(Path(sys.argv[1]))
    chunks: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_listen, args=(inward, chunks), daemon=True).start()
    send(outward, READY)
    while True:
        number, spans = json.loads(chunks.get())
        chunk = Chunk(number, tuple((a, b, c) for a, b, c in spans))
        try:
            reply = b"+" + run_chunk(setup, chunk, page.enter)
        except Exception:  # noqa: BLE001 - sent to the driver, which knows what to do
            reply = b"-" + traceback.format_exc().encode()
        send(outward, reply)


def _listen(inward: IO[bytes], chunks: "queue.Queue[bytes]") -> None:
    while (frame := receive(inward)) is not None:
        chunks.put(frame)
    os._exit(0)  # the driver is gone: nobody waits for what runs


def _take_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Our ends of the pipes; what items print goes to the log instead."""
    inward, outward = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return inward, outward


if __name__ == "__main__":
    serve()
