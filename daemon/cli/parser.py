"""What can be said to `pro-engine`. A command is the function of its name in the module of its name."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import get_args

from daemon.cli.logs_time import count, since
from daemon.cli.migrate_parser import add_migrate
from daemon.executor.formats import OUTPUT_NAMED
from daemon.jobs.job import ModelName

Command = Callable[[argparse.Namespace], int]


def command_named(name: str) -> Command:
    """Loaded when it is asked for: each command is to start without the libraries of the others."""
    command: Command = getattr(importlib.import_module(f"daemon.cli.{name}"), name)
    return command


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pro-engine", description="Small pictures in, large ones out.")
    parser.add_argument("--version", action="version", version=f"pro-engine {version('pro-engine')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, says: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=says, description=says)
        command.set_defaults(does=name)
        return command

    supervised = add("run", "Run the service, supervised, in the foreground.")
    supervised.add_argument("--evict", type=int, metavar="PID", help="first end this process, which has our port")
    add("serve", "Run the bare daemon, without a supervisor.")
    _add_upscale(add("upscale", "Enlarge pictures, or make them smaller: files, folders, globs."))
    shown = add("status", "Show whether the service runs, where, and on which device.")
    shown.add_argument("--json", action="store_true", help="the answer of /health as it is")
    opened = add("open", "Open the service's own page in the browser, logged in.")
    opened.add_argument("--print", action="store_true", help="print its address instead; it works once, for a minute")
    _add_pair(add("pair", "Let a page of the browser use this service: it asks, and you compare its code."))
    _add_login(add("login", "Sign in to the project whose users the service works for."))
    add("logout", "Sign out on this machine.")
    named = add("whoami", "Show who has signed in on this machine.")
    named.add_argument("--json", action="store_true", help="as JSON")
    _add_usage(add("usage", "Show what your account has used and may use."))
    add("token", "Print this machine's access token.")
    _add_config(add("config", "Show each setting: its value, where it came from, what it does."))
    _add_service(add("service", "Run it with the machine, or with your login: install, uninstall, status."))
    _add_cache(add("cache", "Show what is kept of finished work, or let go of it."))
    _add_queue(add("queue", "Show the queue, hold it, or let it go on."))
    listed = add("models", "List the models that can be asked for.")
    listed.add_argument("--json", action="store_true", help="the answer of /api/models as it is")
    add_migrate(add("migrate", "Move the users and logs of the old app's SQLite file to a Supabase project."))
    _add_logs(add("logs", "Show the service's log, wherever it goes."))
    add("doctor", "Say what is installed, which devices there are, why not the others, where files are.")
    return parser


def _add_upscale(command: argparse.ArgumentParser) -> None:
    command.add_argument("pictures", nargs="+", metavar="IN", help="a picture, a folder of pictures, or a glob")
    command.add_argument("-o", "--output", type=Path, metavar="OUT", help="a file, or a folder (ends with / or exists)")
    size = command.add_mutually_exclusive_group()
    size.add_argument("--scale", default=None, help="0.01 to 8, such as 4, 1.5 or 0.5 (default: 4)")
    size.add_argument("--long-edge", type=int, metavar="PX", help="the longer side of the result")
    size.add_argument("--megapixels", type=float, metavar="MP")
    command.add_argument("--width", type=int, metavar="PX")
    command.add_argument("--height", type=int, metavar="PX")
    command.add_argument("--print-width", type=float, metavar="MM", help="on paper, at --dpi")
    command.add_argument("--print-height", type=float, metavar="MM")
    command.add_argument("--dpi", type=float, help="dots an inch, on paper and in the file (of a print: 300)")
    command.add_argument(
        "--model", choices=get_args(ModelName), default="auto", help="`pro-engine models` tells of each"
    )
    command.add_argument("--sharpen", type=float, metavar="0..1", help="default: as the model does")
    command.add_argument("--denoise", type=float, metavar="0..1", help="default: 0")
    command.add_argument("--format", choices=sorted(OUTPUT_NAMED), help="default: as the source")
    command.add_argument("--quality", type=int, default=92, help="of jpeg, webp and avif, 1 to 100 (default: 92)")
    command.add_argument("--keep-metadata", choices=["all", "safe", "none"], default="all", help="safe drops the place")
    command.add_argument("--json", action="store_true", help="one JSON line a picture on standard output")
    command.add_argument("--force", action="store_true", help="replace results that are there already")


def _add_config(command: argparse.ArgumentParser) -> None:
    command.add_argument("keys", nargs="*", metavar="KEY", help="only these, such as port or PRO_ENGINE_PORT")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="all that is known of each, as JSON")
    form.add_argument("--example", action="store_true", help="a config.toml of all settings with their defaults")


def _add_login(command: argparse.ArgumentParser) -> None:
    command.add_argument("--email", help="asked for where it is not given")
    command.add_argument("--code", action="store_true", help="have a code sent by mail, in place of the password")


def _add_usage(command: argparse.ArgumentParser) -> None:
    command.add_argument("--retry", action="store_true", help="tell the project again of what it has refused to count")
    command.add_argument("--json", action="store_true", help="the answer of /api/usage as it is")


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


def _add_cache(command: argparse.ArgumentParser) -> None:
    command.add_argument("action", nargs="?", choices=["show", "clear"], default="show", help="default: show")
    command.add_argument("--unfetched", action="store_true", help="clear also results that nobody has fetched yet")
    command.add_argument("--json", action="store_true", help="the answer of /api/cache as it is")


def _add_queue(command: argparse.ArgumentParser) -> None:
    choices = ["show", "pause", "resume"]
    command.add_argument("action", nargs="?", choices=choices, default="show", help="default: show")
    command.add_argument("--json", action="store_true", help="the answer of /api/queue as it is")


def _add_logs(command: argparse.ArgumentParser) -> None:
    command.add_argument("-f", "--follow", action="store_true", help="go on with what is written from now on")
    command.add_argument("-n", "--lines", type=count, metavar="N", help="the last N (default: 100, or all since TIME)")
    command.add_argument("--job", metavar="ID", help="only what is said of this job; the beginning of its id will do")
    command.add_argument("--errors", action="store_true", help="only errors, and jobs that failed")
    command.add_argument("--since", type=since, metavar="TIME", help="10m, 2h, 3d; 14:30; 2026-01-31 14:30")
    command.add_argument("--json", action="store_true", help="one JSON object a line")
