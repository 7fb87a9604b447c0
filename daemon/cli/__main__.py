"""`pro-engine`: the parser, and which module does what."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Final

from daemon.cli.logs_time import count, since
from daemon.errors import ProEngineError, ServiceUnreachable, WrongSettings

EXIT_CONFIG: Final = 78
EXIT_UNREACHABLE: Final = 69  # EX_UNAVAILABLE
EXIT_INTERRUPTED: Final = 130
Command = Callable[[argparse.Namespace], int]


def _run(options: argparse.Namespace) -> int:
    from daemon.cli.run import run

    return run(options)


def _serve(_options: argparse.Namespace) -> int:
    from daemon.__main__ import main as serve

    return serve()


def _upscale(options: argparse.Namespace) -> int:
    from daemon.cli.upscale import upscale

    return upscale(options)


def _status(options: argparse.Namespace) -> int:
    from daemon.cli.status import status

    return status(options)


def _token(options: argparse.Namespace) -> int:
    from daemon.cli.token import token

    return token(options)


def _doctor(options: argparse.Namespace) -> int:
    from daemon.cli.doctor import doctor

    return doctor(options)


def _service(options: argparse.Namespace) -> int:
    from daemon.cli.service import service

    return service(options)


def _logs(options: argparse.Namespace) -> int:
    from daemon.cli.logs import logs

    return logs(options)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pro-engine", description="Small pictures in, large ones out.")
    parser.add_argument("--version", action="version", version=f"pro-engine {version('pro-engine')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, does: Command, says: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=says, description=says)
        command.set_defaults(does=does)
        return command

    supervised = add("run", _run, "Run the service, supervised, in the foreground.")
    supervised.add_argument("--evict", type=int, metavar="PID", help="first end this process, which has our port")
    add("serve", _serve, "Run the bare daemon, without a supervisor.")
    _add_upscale(add("upscale", _upscale, "Enlarge pictures: files, folders, globs."))
    shown = add("status", _status, "Show whether the service runs, where, and on which device.")
    shown.add_argument("--json", action="store_true", help="the answer of /health as it is")
    add("token", _token, "Print this machine's access token.")
    _add_service(add("service", _service, "Run it with the machine, or with your login: install, uninstall, status."))
    _add_logs(add("logs", _logs, "Show the service's log, wherever it goes."))
    add("doctor", _doctor, "Say what is installed, which devices there are, why not the others, where files are.")
    return parser


def _add_upscale(command: argparse.ArgumentParser) -> None:
    command.add_argument("pictures", nargs="+", metavar="IN", help="a picture, a folder of pictures, or a glob")
    command.add_argument("-o", "--output", type=Path, metavar="OUT", help="a file, or a folder (ends with / or exists)")
    size = command.add_mutually_exclusive_group()
    size.add_argument("--scale", default=None, help="1 to 8, such as 4 or 1.5 (default: 4)")
    size.add_argument("--long-edge", type=int, metavar="PX", help="the longer side of the result")
    size.add_argument("--megapixels", type=float, metavar="MP")
    command.add_argument("--width", type=int, metavar="PX")
    command.add_argument("--height", type=int, metavar="PX")
    command.add_argument("--format", choices=["png", "jpeg", "jpg", "webp"], help="default: as the source")
    command.add_argument("--quality", type=int, default=92, help="of jpeg and webp, 1 to 100 (default: 92)")
    command.add_argument("--keep-metadata", choices=["all", "safe", "none"], default="all", help="safe drops the place")
    command.add_argument("--json", action="store_true", help="one JSON line a picture on standard output")
    command.add_argument("--force", action="store_true", help="replace results that are there already")


def _add_service(command: argparse.ArgumentParser) -> None:
    actions = command.add_subparsers(required=True, metavar="ACTION", dest="action")
    for name, says in (
        ("install", "Run it with the machine (--system) or with your login (--user), from now on."),
        ("uninstall", "Stop it and take away what install wrote; jobs and pictures stay."),
        ("status", "Show what systemd or launchd says of it."),
    ):
        action = actions.add_parser(name, help=says, description=says)
        whose = action.add_mutually_exclusive_group()
        whose.add_argument("--user", action="store_true", help="a service of your own (default, unless you are root)")
        whose.add_argument("--system", action="store_true", help="a service of the machine (default for root)")
        if name != "status":
            action.add_argument("--force", action="store_true", help="also where somebody edited what install wrote")
        if name == "install":
            action.add_argument("--no-start", action="store_true", help="do not start it now")


def _add_logs(command: argparse.ArgumentParser) -> None:
    command.add_argument("-f", "--follow", action="store_true", help="go on with what is written from now on")
    command.add_argument("-n", "--lines", type=count, metavar="N", help="the last N (default: 100, or all since TIME)")
    command.add_argument("--job", metavar="ID", help="only what is said of this job; the beginning of its id will do")
    command.add_argument("--errors", action="store_true", help="only errors, and jobs that failed")
    command.add_argument("--since", type=since, metavar="TIME", help="10m, 2h, 3d; 14:30; 2026-01-31 14:30")
    command.add_argument("--json", action="store_true", help="one JSON object a line")


def main() -> int:
    """Entry point of the command `pro-engine`."""
    options = build_parser().parse_args()
    does: Command = options.does
    try:
        return does(options)
    except WrongSettings as error:
        sys.stderr.write(f"pro-engine: {error.message}\n")
        return EXIT_CONFIG
    except ServiceUnreachable as error:
        sys.stderr.write(f"pro-engine: {error.message}\n")
        return EXIT_UNREACHABLE
    except ProEngineError as error:
        sys.stderr.write(f"pro-engine: {error.message} ({error.code})\n")
        return 1
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
