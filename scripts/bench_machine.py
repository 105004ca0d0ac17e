"""The machine that a benchmark runs on: what to say of it, its cores, and how busy its disk was."""
import os
import pathlib
import platform
import re
import time


def cores():
    """(server's, load generator's): the first two that this process may use."""
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[1]) if len(allowed) > 1 else (allowed[0], allowed[0])


def describe(directory):
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.*)$", cpuinfo, re.MULTILINE)
    memory_kib = re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]
    return {
        "cpu": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory_kib) / 2**20, 1),
        "kernel": platform.release(),
        "file_system": file_system(directory),
        "load_average": os.getloadavg()[0],
    }


def file_system(directory):
    best = ("", "unknown")
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        _, where, kind = line.split()[:3]
        if os.path.commonpath([where, str(directory)]) == where and len(where) >= len(best[0]):
            best = (where, kind)
    return best[1]


class DiskUse:
    """What the device below a directory did since this was made; nothing is known of it where it isn't in diskstats."""

    def __init__(self, directory):
        device = os.stat(directory).st_dev
        self.key = [str(os.major(device)), str(os.minor(device))]
        self.begin, self.before = time.monotonic(), self.read()

    def read(self):
        """(bytes written, seconds with something under way)"""
        for line in pathlib.Path("/proc/diskstats").read_text().splitlines():
            fields = line.split()
            if fields[:2] == self.key:
                return int(fields[9]) * 512, int(fields[12]) / 1000
        return None

    def busy(self):
        """Share of the time in which the device had something to do, 0 to 1."""
        now = self.read()
        if now is None or self.before is None:
            return None
        return min(1.0, (now[1] - self.before[1]) / (time.monotonic() - self.begin))

    def written_bytes(self):
        now = self.read()
        return None if now is None or self.before is None else now[0] - self.before[0]
