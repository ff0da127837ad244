"""Runs one program on some cores, with its time and memory; says what machine this is.

Only small imports here and in whatever imports it: a child's peak memory is at least that of the
process that started it.
"""

import os
import platform
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

# How often a child's memory is looked at; a fast machine touches some 100 MiB meanwhile.
PAUSE_SECONDS = 0.05


class Exceeded(Exception):
    """A program took more memory or time than it was given; the message is for a table's cell."""


@dataclass
class Run:
    """What a program printed and took."""

    output: str
    seconds: float
    peak_bytes: int


def run(command, threads, memory_limit=None, time_limit=None) -> Run:
    """Runs a program on `threads` cores; a failure ends the whole benchmark.

    Raises Exceeded if it has more than `memory_limit` bytes resident or runs for more than
    `time_limit` seconds.
    """
    command = [str(word) for word in command]
    cores = sorted(os.sched_getaffinity(0))[:threads]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "RAYON_NUM_THREADS": str(threads),
    }

    def before():
        os.sched_setaffinity(0, cores)
        # Should memory run out all the same, the system is to end this program and no other.
        Path("/proc/self/oom_score_adj").write_text("1000")

    with tempfile.TemporaryFile() as printed:
        start = time.perf_counter()
        child = subprocess.Popen(command, stdout=printed, env=environment, preexec_fn=before)
        exceeded, status, usage = watch(child.pid, start, memory_limit, time_limit)
        seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        printed.seek(0)
        output = printed.read().decode()
    if exceeded is None and child.returncode == -signal.SIGKILL:
        exceeded = "out of memory"
    if exceeded is not None:
        raise Exceeded(exceeded)
    if child.returncode != 0:
        raise SystemExit(f"exit {child.returncode}: {' '.join(command)}\n{output}")
    return Run(output, seconds, usage.ru_maxrss * 1024)


def watch(pid, start, memory_limit, time_limit):
    """Waits for a child; returns which limit it broke, if one, its status and its usage."""
    exceeded = None
    while True:
        # wait4 and not getrusage(RUSAGE_CHILDREN): that is the peak of all children so far.
        limited = memory_limit is not None or time_limit is not None
        found, status, usage = os.wait4(pid, os.WNOHANG if limited else 0)
        if found == pid:
            return exceeded, status, usage
        time.sleep(PAUSE_SECONDS)
        if memory_limit is not None and resident_bytes(pid) > memory_limit:
            exceeded = "out of memory"
        elif time_limit is not None and time.perf_counter() - start > time_limit:
            exceeded = "out of time"
        if exceeded is not None:
            os.kill(pid, signal.SIGKILL)


def resident_bytes(pid) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def machine() -> str:
    """Processor, cores, memory and system in a line."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    vectors = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in flags]
    name = names[0] if names else platform.processor()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{name} ({', '.join(vectors)}), {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    )


def load_average() -> float:
    """Programs that wanted to run in the last minute, on average."""
    return os.getloadavg()[0]
