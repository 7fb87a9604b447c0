"""`pro-engine logs`: the service's log, wherever it goes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from typing import Final

from daemon.cli.logs_file import LogFile
from daemon.cli.logs_line import Line, Wish
from daemon.cli.logs_place import LogSource, find_log
from daemon.cli.logs_pretty import as_json, pretty
from daemon.cli.service_place import look_around
from daemon.errors import ServiceRefused

MOST: Final = 100  # lines that are shown where nobody says how many, nor since when
STDOUT: Final = 1


def logs(options: argparse.Namespace) -> int:
    """Exit 0; 1 and a sentence where the log goes out of reach, 77 where this user may not read it.

    Raises:
        ServiceUnreachable: there is no service.
    """
    wish = Wish(options.job, options.errors, options.since)
    most = options.lines if options.lines is not None or options.since is not None else MOST
    colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    try:
        source = find_log(look_around(os.environ), os.environ)
        lines = _lines(source, wish, most, follow=options.follow)
        _show(lines, as_json if options.json else partial(pretty, colours=colours))
    except ServiceRefused as error:
        sys.stderr.write(f"pro-engine: {error.message}\n")
        return error.exit_code
    except BrokenPipeError:  # `| head` has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)
    return 0


def _lines(source: LogSource, wish: Wish, most: int | None, *, follow: bool) -> Iterator[Line]:
    if isinstance(source, LogFile):
        with closing(source):
            yield from source.newest(most, wish, whole=follow)
            if follow:
                yield from filter(wish.takes, source.follow())
    else:
        yield from source.newest(most, wish)
        if follow:
            yield from filter(wish.takes, source.follow())


def _show(lines: Iterable[Line], form: Callable[[Line], str]) -> None:
    for line in lines:
        sys.stdout.buffer.write(f"{form(line)}\n".encode(sys.stdout.encoding, "backslashreplace"))
        sys.stdout.buffer.flush()
