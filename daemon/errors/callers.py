"""Who asks, from where, and whether that is enough."""

from __future__ import annotations

from daemon.errors.base import ProEngineError


class AccessTokenRequired(ProEngineError):
    """The route wants a bearer, and there was none."""

    code = "access_token_required"


class InvalidToken(ProEngineError):
    """The token or ticket is not one of this service's, or not any more."""

    code = "invalid_token"


class AuthUnavailable(ProEngineError):
    """Whose token it is cannot be told now: the project of the accounts is out of reach."""

    code = "auth_unavailable"


class SignInRefused(ProEngineError):
    """The accounts' project does not let the user sign in; the sentence is the project's own."""

    code = "sign_in_refused"


class UsageLimitExceeded(ProEngineError):
    """The account has used what its tier allows. `current_tier` names it, and `upgrade_required` says whether another
    one allows more; `resets_at` is the day from which there is more anyhow.
    """

    code = "usage_limit_exceeded"


class NotPermitted(ProEngineError):
    """It is known who asks, and that is not enough: administration needs the machine's own token."""

    code = "not_permitted"


class OriginNotAllowed(ProEngineError):
    """The page that asks is not on the list of those that may."""

    code = "origin_not_allowed"


class PairingOff(ProEngineError):
    """The settings do not let pages ask to be paired."""

    code = "pairing_off"


class PairingDenied(ProEngineError):
    """The user has said no to this page."""

    code = "pairing_denied"


class PairingExpired(ProEngineError):
    """There is no such request for access any more: it is too old, or was answered already, or there never was one."""

    code = "pairing_expired"


class WrongPairingCode(ProEngineError):
    """The request that was to be approved is not the one whose code was seen."""

    code = "wrong_pairing_code"


class TooManyPairings(ProEngineError):
    """Too many requests to be paired wait already; `Retry-After` says when to ask again."""

    code = "too_many_pairings"


class WrongHost(ProEngineError):
    """The request names a host that this service is not: what a rebound name looks like."""

    code = "wrong_host"
