"""CPU and memory of process trees, from /proc (Linux)."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


class CpuAndMemory:
    """CPUs that the trees under some processes use from now until `end()`, those that other processes use, and the memory at the end."""

    def __init__(self, roots: list[int]) -> None:
        self.roots, self.began = roots, time.monotonic()
        self.before, self.busy_before, self.children_before = self._cpu(), _busy(), _own()

    @staticmethod
    def named(name: str) -> list[int]:
        """Return the processes of that name without a parent of that name."""
        found = {pid: parent for pid, parent, command in _all() if command == name}
        return [pid for pid, parent in found.items() if parent not in found]

    def end(self) -> dict[str, float]:
        """Return `cpu` and `other` in CPUs, and `mib` as proportional set size."""
        wall, cpu = time.monotonic() - self.began, self._cpu() - self.before
        other = _busy() - self.busy_before - cpu - (_own() - self.children_before)
        return {"cpu": cpu / wall, "other": max(0.0, other / wall), "mib": sum(_pss(pid) for pid in self._tree())}

    def _tree(self) -> list[int]:
        children: dict[int, list[int]] = {}
        for pid, parent, _ in _all():
            children.setdefault(parent, []).append(pid)
        found, waiting = [], list(self.roots)
        while waiting:
            found.append(pid := waiting.pop())
            waiting += children.get(pid, [])
        return found

    def _cpu(self) -> float:
        return sum(_seconds(pid) for pid in self._tree())


def _all() -> list[tuple[int, int, str]]:
    """Return number, parent and name of every process."""
    pids = (int(folder.name) for folder in PROC.iterdir() if folder.name.isdigit())
    return [(pid, int(fields[1]), fields[-1]) for pid in pids if (fields := _fields(pid))]


def _fields(pid: int) -> list[str]:
    """Return the fields of /proc/pid/stat from the third on, and the name as the last one."""
    try:
        before, _, after = (PROC / str(pid) / "stat").read_text().rpartition(")")
    except OSError:
        return []
    return [*after.split(), before.partition("(")[2]]


def _seconds(pid: int) -> float:
    fields = _fields(pid)
    return sum(int(field) for field in fields[11:15]) / TICKS if fields else 0.0


def _pss(pid: int) -> float:
    try:
        found = re.search(r"^Pss:\s+(\d+)", (PROC / str(pid) / "smaps_rollup").read_text(), re.MULTILINE)
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0


def _busy() -> float:
    values = [int(value) for value in (PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(values) - values[3] - values[4]) / TICKS


def _own() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
