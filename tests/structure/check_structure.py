#!/usr/bin/env python3
"""Fails on an include that looks up, and (with --headers) on a header that does not compile alone.

A folder may include what stands above it in ORDER; folders of one line do not see each other. <raft.h> is for broker/raft,
Asio for broker/net. Owner: the map in docs/architecture.md.
"""
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ORDER = [
    ["protocol/base"],
    ["protocol/kafka", "protocol/native"],
    ["storage/io"],
    ["storage/journal", "storage/log"],
    ["broker/core"],
    ["broker/raft"],
    ["broker/shard"],
    ["broker/service"],
    ["broker/net"],
    ["broker/listener"],
    ["broker/app"],
    ["client"],
]
LEVEL = {folder: level for level, folders in enumerate(ORDER) for folder in folders}
ALONE = {"raft.h": "broker/raft", "asio.hpp": "broker/net", "asio/": "broker/net", "liburing.h": "storage/io",
         "CLI/": "broker/app", "spdlog/": "broker/app", "toml++/": "broker/app",
         "prometheus/": "broker/app"}


def folder_of(path):
    return next((f for f in LEVEL if path.startswith(f + "/")), None)


def sources():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.h", "*.cc", "*.c"], cwd=ROOT,
                            capture_output=True, text=True, check=True).stdout.split()
    return [path for path in listed if folder_of(path) and os.path.exists(os.path.join(ROOT, path))]


def check_includes(path):
    problems = []
    mine = folder_of(path)
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if not match:
                continue
            quoted, name = match.group(1) == '"', match.group(2)
            theirs = folder_of(name)
            if theirs and theirs != mine and LEVEL[theirs] >= LEVEL[mine]:
                problems.append(f"{path}:{number}: {mine} may not include {theirs}: it does not stand above it")
            if quoted and not theirs and not os.path.exists(os.path.join(ROOT, name)):
                problems.append(f"{path}:{number}: \"{name}\" is not a full path from the root")
            for start, only in ALONE.items():
                if not quoted and name.startswith(start) and mine != only:
                    problems.append(f"{path}:{number}: <{name}> is for {only} alone")
    return problems


def check_header(path, build):
    flags = ["-std=c++20", "-fsyntax-only", "-x", "c++", "-I", ROOT, "-I", build, "-DASIO_STANDALONE",
             "-DASIO_HAS_CO_AWAIT", "-DASIO_HAS_STD_COROUTINE", "-Wall", "-Wextra", "-Wno-pragma-once-outside-header"]
    done = subprocess.run(["clang++-19", *flags, os.path.join(ROOT, path)], capture_output=True, text=True)
    return [] if done.returncode == 0 else [f"{path} does not compile alone:\n{done.stderr}"]


def main():
    problems = [p for path in sources() for p in check_includes(path)]
    headers = [path for path in sources() if path.endswith(".h")]
    if "--headers" in sys.argv:
        at = sys.argv.index("--headers")
        build = sys.argv[at + 1] if at + 1 < len(sys.argv) else os.path.join(ROOT, "build", "release")
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for found in pool.map(lambda path: check_header(path, build), headers):
                problems += found
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"structure: {len(sources())} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
