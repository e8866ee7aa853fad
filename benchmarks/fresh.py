"""Work in a new process, so that the peak memory of the process is that of the work.

The kernel's high-water mark of resident memory is reset before the work (/proc/self/clear_refs: Linux only).
"""

import gc
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

# glibc takes a freed block of this size or more for later blocks, which leaves gaps between them. With the variable it
# returns each to the system at once, so that the peak is what the work itself needs together.
RETURNS_FREED_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**18)}


def in_new_process(work: str, *, environment: Mapping[str, str] | None = None, **arguments: Any) -> Any:
    """Return what `benchmarks.<module>.<function>`, given as "module.function", returns in a new process."""
    command = [sys.executable, "-m", "benchmarks.fresh", work, json.dumps(arguments)]
    variables = {**os.environ, **(environment or {})}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=variables)
    return json.loads(done.stdout.splitlines()[-1])


def peak_of(work: Callable[[], object], device: str = "cpu") -> tuple[int, int]:
    """Return the peak bytes while `work` runs, and their growth since before."""
    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        torch.cuda.synchronize()
        peak = torch.cuda.max_memory_allocated()
    else:
        before = _resident("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")
        work()
        peak = _resident("VmHWM")
    return peak, peak - before


def _resident(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


if __name__ == "__main__":
    module, function = sys.argv[1].split(".")
    result = getattr(importlib.import_module(f"benchmarks.{module}"), function)(**json.loads(sys.argv[2]))
    print(json.dumps(result))
