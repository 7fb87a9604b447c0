"""`pro-engine`: the parser, and which module does what."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Final

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


def _open(options: argparse.Namespace) -> int:
    from daemon.cli.open import open_page

    return open_page(options)


def _pair(options: argparse.Namespace) -> int:
    from daemon.cli.pair import pair

    return pair(options)


def _token(options: argparse.Namespace) -> int:
    from daemon.cli.token import token

    return token(options)


def _doctor(options: argparse.Namespace) -> int:
    from daemon.cli.doctor import doctor

    return doctor(options)


def _config(options: argparse.Namespace) -> int:
    from daemon.cli.config import config

    return config(options)


def _service(options: argparse.Namespace) -> int:
    from daemon.cli.service import service

    return service(options)


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
    opened = add("open", _open, "Open the service's own page in the browser, logged in.")
    opened.add_argument("--print", action="store_true", help="print its address instead; it works once, for a minute")
    _add_pair(add("pair", _pair, "Let a page of the browser use this service: it asks, and you compare its code."))
    add("token", _token, "Print this machine's access token.")
    _add_config(add("config", _config, "Show each setting: its value, where it came from, what it does."))
    _add_service(add("service", _service, "Run it with the machine, or with your login: install, uninstall, status."))
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


def _add_config(command: argparse.ArgumentParser) -> None:
    command.add_argument("keys", nargs="*", metavar="KEY", help="only these, such as port or PRO_ENGINE_PORT")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="all that is known of each, as JSON")
    form.add_argument("--example", action="store_true", help="a config.toml of all settings with their defaults")


def _add_pair(command: argparse.ArgumentParser) -> None:
    command.add_argument("--wait", type=_seconds, default=120.0, metavar="SECONDS", help="for a page (default: 120)")
    command.add_argument("--yes", metavar="CODE", help="allow the page that shows this code, without a question")
    command.set_defaults(action=None)
    actions = command.add_subparsers(required=False, metavar="ACTION", dest="action")
    actions.add_parser("list", help="pages that ask, and pages that may", description="Pages that ask, and that may.")
    revoke = actions.add_parser("revoke", help="take it away", description="Take a page's access away, at once.")
    revoke.add_argument("which", metavar="ID|ORIGIN", help="as `list` shows it")


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < float("inf"):
        raise ValueError(text)
    return seconds


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
