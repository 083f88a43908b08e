"""The results, for people (Markdown) and programs (JSON)."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from .timing import Timing

_PACKAGES = ("flask", "werkzeug", "marshmallow", "blinker")


def machine() -> str:
    """Processor and number of cores, and the operating system."""
    return f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"


def versions() -> dict[str, str]:
    """The versions that the results depend on."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return {"python": python, **{name: version(name) for name in _PACKAGES}}


def as_markdown(timings: Mapping[str, Timing], descriptions: Mapping[str, str]) -> str:
    """A table, with machine and versions below it."""
    first = next(iter(timings))
    lines = [
        f"| variant | µs an event | ratio to {first} | quartiles | what it is |",
        "| --- | ---: | ---: | --- | --- |",
    ]
    lines += [
        f"| {name} | {timing.microseconds:.0f} | {timing.ratio:.2f} "
        f"| {timing.low:.2f} to {timing.high:.2f} | {descriptions[name]} |"
        for name, timing in timings.items()
    ]
    lines += ["", f"{machine()}; " + ", ".join(f"{k} {v}" for k, v in versions().items())]
    return "\n".join(lines)


def as_json(timings: Mapping[str, Timing]) -> str:
    """The same for programs."""
    results = {name: asdict(timing) for name, timing in timings.items()}
    return json.dumps({"machine": machine(), "versions": versions(), "results": results}, indent=2)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())
