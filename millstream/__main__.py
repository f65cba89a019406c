"""The command `millstream`: run a program written for the other name on this engine."""

from __future__ import annotations

import argparse
import os
import runpy
import sys
from collections.abc import Sequence

from millstream.bridge.install import NAME, install_as_tensorflow


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="millstream", description="Millstream, a machine-intelligence platform.")
    jobs = parser.add_subparsers(dest="job", required=True)
    run = jobs.add_parser("run", help=f"run a Python program with `import {NAME}` answered by Millstream")
    run.add_argument("-m", dest="module", action="store_true", help="SCRIPT is a module's name, as for `python -m`")
    run.add_argument("--replace", action="store_true", help=f"also where a real {NAME} is installed")
    run.add_argument("script", help="the program")
    run.add_argument("args", nargs=argparse.REMAINDER, help="its arguments")
    given = parser.parse_args(arguments)
    return _run(given.script, given.args, module=given.module, replace=given.replace)


def _run(script: str, args: Sequence[str], *, module: bool, replace: bool) -> int:
    if not module and not os.path.exists(script):
        print(f"millstream run: {script!r} does not exist; give the path of a Python program.", file=sys.stderr)
        return 2
    install_as_tensorflow(replace=replace)
    sys.argv = [script, *args]
    if module:
        runpy.run_module(script, run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, os.path.dirname(os.path.abspath(script)))
        runpy.run_path(script, run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main())
