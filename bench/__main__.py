"""`python -m bench`: measures the service on this machine; exits with 1 when a target is missed."""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from bench import machine, page, traces
from bench.load import require_wrk
from bench.suite import FULL, QUICK, run

LEAST_CORES = 2


def main() -> int:
    args = _arguments()
    if len(machine.CORES) < LEAST_CORES:
        raise SystemExit("bench: needs two cores: one for the server, one for the load")
    require_wrk()
    # Whoever stops the benchmark stops its servers: the exception unwinds to them.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    print(f"Measuring for about {'a minute' if args.quick else 'four minutes'}; leave the machine alone.", flush=True)
    plan = QUICK if args.quick else FULL
    with tempfile.TemporaryDirectory(prefix="doorward-bench-") as folder:
        if args.traces:
            report = traces.run(plan, Path(folder))
        else:
            report = run(plan, Path(folder), every_operation=args.operations)
    print(report)
    if args.json:
        report.write(args.json)
    if args.write:
        name, where = ("traces", page.TRACING) if args.traces else ("bench", page.PAGE)
        page.fill(name, f"```text\n{report}\n```", where)
    return 0 if report.met else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Doorward on this machine.")
    parser.add_argument("--quick", action="store_true", help="one round of each: shows that it works, proves nothing")
    parser.add_argument("--operations", action="store_true", help="measure every operation too (some minutes more)")
    parser.add_argument(
        "--traces", action="store_true", help="measure what traces cost, and nothing else (two minutes)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument(
        "--write", action="store_true", help="put the figures into docs/benchmarks.md, or docs/tracing.md"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
