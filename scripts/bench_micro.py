"""The microbenchmarks (bench/micro, google benchmark): our own code alone, above a disk that costs nothing."""
import json
import os
import subprocess
import sys

import bench_servers as servers
from bench_figures import Table


def duration(nanoseconds):
    for limit, unit, factor in ((1e3, "ns", 1), (1e6, "us", 1e3), (float("inf"), "ms", 1e6)):
        if nanoseconds < limit:
            return f"{nanoseconds / factor:.3g} {unit}"


def run(options):
    command = [str(servers.BUILD / "bench_micro"), "--benchmark_format=json", "--benchmark_min_time=0.1",
               f"--benchmark_repetitions={options.rounds}", "--benchmark_report_aggregates_only=true"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          preexec_fn=lambda: os.sched_setaffinity(0, {servers.SERVER_CORE}))
    if done.returncode:
        sys.exit(f"bench: bench_micro ended with {done.returncode}")
    rows = [["benchmark", "CPU", "GB/s"]]
    for result in json.loads(done.stdout)["benchmarks"]:
        if result.get("aggregate_name") in (None, "median"):
            rate = result.get("bytes_per_second")
            rows.append([result["run_name"], duration(result["cpu_time"]), f"{rate / 1e9:.2f}" if rate else ""])
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    text = "\n".join(f"{name:<{widths[0]}}  {time:>{widths[1]}}  {rate:>{widths[2]}}".rstrip() for name, time, rate in rows)
    return Table("micro", "microbenchmarks", ["CPU time of one iteration; the number in a name is bytes, where it says no "
                                              "more; one core, medians."], [], text=text)
