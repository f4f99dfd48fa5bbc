"""The machine: its cores, what else runs on it, and the memory of a process tree."""

import os
import platform
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]
REST_S, REST_TIMEOUT_S = 1.5, 600
"""Longer than a server's workers pause between two batches; and than it takes to seal the events of a large import."""
IDLE = 0.1
"""Of a core: a server at rest takes a hundredth, and what was put off as much of it as there is."""


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Processes started meanwhile stay on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def unpin(pid: int) -> None:
    """Let a running process and all below it use every core."""
    pin(pid, *CORES)


def pin(pid: int, *cores: int) -> None:
    """Keep a running process and all below it on these cores."""
    for process in tree(pid):
        for thread in process.threads():
            os.sched_setaffinity(thread.id, cores)


def tree(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def rest(*pids: int) -> None:
    """Wait until these processes and all below them have done what they put off, as sealing events.

    Raises TimeoutError when they are still at it after ten minutes.
    """
    processes = [process for pid in pids for process in tree(pid)]
    give_up = time.monotonic() + REST_TIMEOUT_S
    while time.monotonic() < give_up:
        before = _cpu_s(processes)
        time.sleep(REST_S)
        if _cpu_s(processes) - before <= IDLE * REST_S:
            return
    raise TimeoutError("a server still has work ten minutes after its last request")


def pss_bytes(pid: int) -> int:
    """Proportional set size of a process and all below it."""
    return sum(_pss_kib(process.pid) for process in tree(pid)) * 1024


@dataclass(frozen=True)
class Reading:
    """What the machine itself was like since the last look, whatever runs on it."""

    stolen_percent: float
    """Of all cores' time, what the hypervisor gave to others."""
    work_ms: float
    """Of CPU, for a piece of work that is always the same: the clock, and who shares the caches."""
    sync_ms: float
    """To write 4 KiB and have the disk say that they are there."""


class Ruler:
    """Looks at the machine; a look takes a few milliseconds of one core, and a write to the folder."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "ruler"
        self._at, self._stolen = time.monotonic(), _stolen_s()

    def look(self) -> Reading:
        """Raises OSError when the folder cannot be written."""
        at, stolen = time.monotonic(), _stolen_s()
        share = (stolen - self._stolen) / (at - self._at) / len(CORES)
        self._at, self._stolen = at, stolen
        return Reading(share * 100, _work_ms(), self._sync_ms())

    def _sync_ms(self) -> float:
        with self._file.open("wb", buffering=0) as file:
            began = time.perf_counter()
            file.write(bytes(4096))
            os.fsync(file.fileno())
            return (time.perf_counter() - began) * 1000


def describe() -> str:
    load = ", ".join(f"{each:.2f}" for each in os.getloadavg())
    return f"{len(CORES)} cores, Python {platform.python_version()}, load average before {load}"


class Others:
    """How much of the cores other processes use, from its making to the end of all processes that we start."""

    def __init__(self) -> None:
        self._began, self._busy, self._ours = time.monotonic(), _busy_s(), _our_cpu_s()

    def share(self) -> float:
        """Of all cores' time; all children must have been waited for."""
        theirs = (_busy_s() - self._busy) - (_our_cpu_s() - self._ours)
        return max(0.0, theirs / (time.monotonic() - self._began) / len(CORES))


def _cpu_s(processes: list[psutil.Process]) -> float:
    return sum(times.user + times.system for times in (process.cpu_times() for process in processes))


def _pss_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _work_ms() -> float:
    began = time.thread_time()
    sum(range(100_000))
    return (time.thread_time() - began) * 1000


def _stolen_s() -> float:
    total = psutil.cpu_times(percpu=True)
    return float(sum(total[number].steal for number in CORES))


def _busy_s() -> float:
    total = psutil.cpu_times(percpu=True)
    return sum(sum(core[:8]) - core.idle - core.iowait for core in (total[number] for number in CORES))


def _our_cpu_s() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
