"""Times that can be compared: taken in turns, so that a slow moment of the machine meets all alike."""

import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from strm.files import replacing

WARM = 3  # calls that don't count: torch.compile compiles at the first, and at the second, which has a state
BURST_MS = 3.0  # a call is repeated for about so long before the next one has its turn


def in_turns(calls: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, np.ndarray]:
    """Time each call `rounds` times, in turns: milliseconds of one call [rounds] by name."""
    repeats = {}
    for name, call in calls.items():
        for _ in range(WARM):
            call()
        repeats[name] = max(1, int(BURST_MS / max(_clock(call, 3), 1e-3)))
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(_clock(call, repeats[name]))
    return {name: np.array(each) for name, each in times.items()}


def _clock(call: Callable[[], Any], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return 1000 * (time.perf_counter() - start) / repeats


def median(values: np.ndarray) -> float:
    return float(f"{np.median(values):.4g}")


def spread(values: np.ndarray) -> list[float]:
    """Return [smallest, largest]."""
    return [float(f"{value:.4g}") for value in (values.min(), values.max())]


def multiplications(width: int = 64, hidden: int = 128, batch: int = 256) -> Callable[[], Any]:
    """Return a call that multiplies matrices of the model's sizes: 2 * width * hidden * batch operations."""
    a, b = torch.randn(batch, width), torch.randn(width, hidden)
    out = torch.empty(batch, hidden)
    return lambda: torch.mm(a, b, out=out)


def machine(threads: int) -> dict[str, Any]:
    """Say what the times were taken on."""
    name, info = platform.processor(), Path("/proc/cpuinfo")
    if info.is_file():
        models = [line for line in info.read_text("utf-8").splitlines() if line.startswith("model name")]
        name = models[0].partition(":")[2].strip() if models else name
    return {
        "cpu": name or platform.machine(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": threads,
    }


def tell(report: dict[str, Any], as_json: bool, out: str | None) -> bool:
    """Write a report of times into the file `out`, and print it where JSON is wanted; say whether it was."""
    text = json.dumps(report, indent=1)
    if out:
        with replacing(out) as path:
            path.write_text(text + "\n", encoding="utf-8")
    if as_json:
        print(text)
    return as_json
