"""A Docker Engine that answers and has a busybox image: the machine's, or one of one's own for tests."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import closing
from pathlib import Path

from scripts import busybox, host_engine, private_engine
from scripts.packages import Unable, say


def main() -> int:
    """Do what the command line asks; print the Engine's address, as DOCKER_HOST takes it."""
    try:
        _carry_out(_arguments())
    except Unable as error:
        say(f"scripts/engine: {error}")
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/engine", description=__doc__)
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--own", metavar="DIR", type=Path, help="start an Engine apart from the machine's, in DIR")
    choice.add_argument("--stop", metavar="DIR", type=Path, help="end the Engine of DIR with all that it runs")
    choice.add_argument("--prepare", action="store_true", help="install what --own needs, and start nothing")
    return parser.parse_args()


def _carry_out(arguments: argparse.Namespace) -> None:
    if arguments.own:
        print(private_engine.own(arguments.own))
    elif arguments.stop:
        private_engine.stop(arguments.stop)
    elif arguments.prepare:
        private_engine.prepare()
    else:
        _provide()


def _provide() -> None:
    with closing(host_engine.provide()) as client:
        busybox.provide(client)
        address = os.environ.get("DOCKER_HOST") or host_engine.USUAL
        say(f"Docker Engine {client.version()['Version']} answers at {address} and has {busybox.IMAGE}.")
        print(address)


if __name__ == "__main__":
    sys.exit(main())
