"""What can come between an operator and the end of `pro-engine migrate`."""

from __future__ import annotations

from daemon.errors.base import ProEngineError


class MigrationRefused(ProEngineError):
    """`pro-engine migrate` does not do what was asked; the sentence says what to do first, or instead."""

    code = "migration_refused"


class RulingsNeeded(ProEngineError):
    """The old file has what only its owner can decide about; nothing was changed anywhere."""

    code = "rulings_needed"


class MigrationInterrupted(ProEngineError):
    """The project was out of reach for longer than was to be waited; run again, the migration goes on where it was."""

    code = "migration_interrupted"
