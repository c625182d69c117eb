"""How long does it take to start?  `import fcm360w`, and `fcm360w.open("sim://")`, each in a fresh interpreter.

    python benches/startup.py [--runs N] [--json]

Wall time, medians of interleaved runs; the bare interpreter is measured beside and taken off.  Goals: 60 ms and 200 ms;
exit status 1 if one is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

CASES = {
    "bare interpreter": "pass",
    "import fcm360w": "import fcm360w",
    "import fcm360w, open sim://": "import fcm360w; fcm360w.open('sim://').close()",
}
GOALS = {"import fcm360w": 0.060, "import fcm360w, open sim://": 0.260}  # an import, and 200 ms for opening

# Of the machine that the goals are for; a slower one has as much more time as its bare interpreter takes.
USUAL = 0.015


# A user's second start finds the bytecode of the first.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def measure(code: str) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, cwd="/", env=ENVIRONMENT)
    return time.perf_counter() - begin


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    for code in CASES.values():
        measure(code)
    times: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(options.runs):
        for name, code in CASES.items():
            times[name].append(measure(code))
    medians = {name: statistics.median(values) for name, values in times.items()}
    bare = medians["bare interpreter"]
    slowness = max(1.0, bare / USUAL)
    rows = [
        {
            "case": name,
            "ms": round((medians[name] - bare) * 1000, 1),
            "goal_ms": goal * 1000,
            "of_goal": round((medians[name] - bare) / (goal * slowness), 2),
        }
        for name, goal in GOALS.items()
    ]
    if options.json:
        print(json.dumps({"python": sys.version.split()[0], "bare_ms": round(bare * 1000, 1), "rows": rows}))
    else:
        print(f"Python {sys.version.split()[0]}, bare interpreter {bare * 1000:.1f} ms, taken off below")
        if slowness > 1:
            print(f"{slowness:.1f} times as slow as the machine of the goals, which are longer by that")
        for row in rows:
            print(f"{row['case']:<30} {row['ms']:7.1f} ms   {row['of_goal']:.2f} of the goal")
    return int(any(row["of_goal"] > 1 for row in rows))


if __name__ == "__main__":
    sys.exit(main())
