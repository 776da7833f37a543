"""What batch jobs ask the machine: memory, cores, peaks, and what its results depend on."""

import contextlib
import functools
import hashlib
import os
import platform
import sys
from pathlib import Path

import numpy as np


@functools.cache
def peak_meter() -> "PeakMeter":
    """The meter of this process."""
    return PeakMeter()


class PeakMeter:
    """Reads the peak of this process's resident memory since the last reading, in bytes.

    Linux can set the peak back; elsewhere a reading is the peak since the process began, or 0.
    """

    def __init__(self) -> None:
        self._status = self._reset = -1
        if sys.platform == "linux":
            self._status = os.open("/proc/self/status", os.O_RDONLY)
            try:
                self._reset = os.open("/proc/self/clear_refs", os.O_WRONLY)
            except OSError:  # not allowed in some containers
                self._reset = -1

    def take(self) -> int:
        """The peak in bytes since the last call."""
        if self._status < 0:
            return _lifetime_peak()
        text = os.pread(self._status, 4096, 0)
        start = text.find(b"VmHWM:") + 6
        peak = int(text[start : text.find(b"kB", start)]) * 1024
        if self._reset >= 0:
            os.write(self._reset, b"5")
        return peak


class MemoryLimit:
    """Lets a block of code allocate only so many bytes of address space, where the system can.

    >>> with MemoryLimit(1 << 24):                                # doctest: +SKIP
    ...     np.ones(1 << 24)
    Traceback (most recent call last):
    numpy._core._exceptions._ArrayMemoryError: Unable to allocate 128. MiB ...
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def __enter__(self) -> None:
        with contextlib.suppress(ImportError, ValueError, OSError):
            import resource

            pages = int(Path("/proc/self/statm").read_text().split()[0])
            self._set(pages * resource.getpagesize() + self.size)

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ImportError):
            import resource

            self._set(resource.getrlimit(resource.RLIMIT_AS)[1])

    def _set(self, soft: int) -> None:
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def fingerprint() -> str:
    """What results may depend on beside their keys: machine, CPU features, NumPy, BLAS and its threads.

    Equal keys on equal fingerprints give equal bits; a job that mixes fingerprints says so.
    """
    blas = np.show_config(mode="dicts")
    features = _cpu_features()
    threads = os.environ.get("OPENBLAS_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS") or "any"
    chosen = {name: os.environ[name] for name in ("OPENBLAS_CORETYPE", "MKL_CBWR") if name in os.environ}
    library = blas.get("Build Dependencies", {}).get("blas", {}) if isinstance(blas, dict) else {}
    parts = [
        platform.machine(),
        features,
        np.__version__,
        str(library.get("name")),
        str(library.get("version")),
    ]
    digest = hashlib.sha256(repr((parts, sorted(chosen.items()))).encode()).hexdigest()[:8]
    return f"{platform.machine()} numpy {np.__version__} threads {threads} cpu {digest}"


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_memory() -> int:
    """Bytes that can still be allocated here: the machine's, or the control group's; 0 if not known."""
    found = []
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        found += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        used = Path("/sys/fs/cgroup/memory.current").read_text().strip()
        if limit != "max":
            found.append(int(limit) - int(used))
    except (OSError, ValueError):
        pass
    return max(min(found, default=0), 0)


def _lifetime_peak() -> int:
    try:
        import resource
    except ImportError:  # pragma: no cover - not on this system
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _cpu_features() -> str:
    from numpy._core._multiarray_umath import __cpu_features__ as features  # type: ignore[import-not-found]

    return " ".join(sorted(name for name, present in features.items() if present))
