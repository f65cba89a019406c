"""The command `millstream`: shows, converts, runs and checks saved files, and runs programs written for the other name."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

JOBS = {
    "run": "run a Python program on this engine, or a signature of a saved file",
    "show": "print what a saved file holds, or any stage of it",
    "convert": "write a saved file as a bundle, saved model, plan or frozen graph",
    "check": "say what is wrong with a saved file, and which ops are not supported",
    "scan": "say which ops of a saved model reach outside of it",
}
"""What there is to do; each is a module of `commands`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="millstream", description="Millstream, a machine-intelligence platform.")
    jobs = parser.add_subparsers(dest="job", required=True, metavar=" | ".join(JOBS))
    for name, what in JOBS.items():
        job = jobs.add_parser(name, help=what, description=f"millstream {name}: {what}.")
        if given[:1] == [name]:
            importlib.import_module(f"millstream.commands.{name}").add_arguments(job)
    return _do(parser.parse_args(given))


def _do(given: argparse.Namespace) -> int:
    from millstream.base.errors import OpError
    from millstream.commands.files import CommandError

    module = importlib.import_module(f"millstream.commands.{given.job}")
    try:
        status = int(module.run(given))
        sys.stdout.flush()  # here, where it can be said what is wrong with the output
        return status
    except CommandError as error:
        print(f"millstream {given.job}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever reads what is printed has seen enough. What is still held back goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OpError, OSError, ValueError, RuntimeError) as error:
        if given.job == "run" and module.runs_program(given):
            raise
        print(f"millstream {given.job}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
