"""`pro-engine`: does what was said, and tells errors in a sentence and an exit status."""

from __future__ import annotations

import sys
from typing import Final

from daemon.cli.parser import build_parser, command_named
from daemon.errors import ProEngineError, ServiceUnreachable, WrongSettings

EXIT_CONFIG: Final = 78
EXIT_UNREACHABLE: Final = 69  # EX_UNAVAILABLE
EXIT_INTERRUPTED: Final = 130


def main() -> int:
    """Entry point of the command `pro-engine`."""
    options = build_parser().parse_args()
    try:
        return command_named(options.does)(options)
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
