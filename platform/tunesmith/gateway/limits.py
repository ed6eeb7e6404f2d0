"""Requests and tokens a minute, by project and by key: asked for before a model is, paid for afterwards."""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool

from tunesmith.errors import RateLimitError
from tunesmith.stores.keys import ApiKey
from tunesmith.stores.limits import Limits, LimitStore, Unit, of_key, of_project

REMEMBERED_SECONDS = 2.0
"""How long a limit that was changed goes on."""
_LEASE_SECONDS = 1.0
_MOST_REMEMBERED = 2000
_UNITS: tuple[Unit, ...] = ("requests", "tokens")


@dataclass(slots=True)
class _Account:
    """What this gateway has of one bucket."""

    subject: str
    project_id: str
    unit: Unit
    per_minute: int
    balance: float = 0.0
    level: float = 0.0
    refused_until: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def remaining(self) -> int:
        return max(0, math.floor(self.balance + max(0.0, self.level)))


class Limiter:
    """Lets requests through as long as their project and their key have something left.

    Args:
        store: limits, and the buckets that all gateways share.
    """

    def __init__(self, store: LimitStore) -> None:
        self._store = store
        self._limits: OrderedDict[tuple[str, str], tuple[float, Limits, Limits]] = OrderedDict()
        self._accounts: OrderedDict[tuple[str, Unit], _Account] = OrderedDict()

    async def admit(self, key: ApiKey) -> dict[str, str]:
        """Let a request through.

        Args:
            key: the caller's key.

        Returns:
            The headers that say what is left; none where there is no limit.

        Raises:
            RateLimitError: the project or the key has nothing left for now.
        """
        accounts = await self._accounts_of(key)
        if not accounts:
            return {}
        spent: list[_Account] = []
        try:
            for account in accounts:
                await self._require(account)
                if account.unit == "requests":
                    account.balance -= 1
                    spent.append(account)
        except RateLimitError as error:
            for account in spent:
                account.balance += 1
            error.headers = limit_headers(accounts)
            raise
        return limit_headers(accounts)

    def charge(self, project_id: str, key_id: str, tokens: int) -> None:
        """Take the tokens of an answer off what is left.

        Args:
            project_id: whose request it was.
            key_id: the key that it came with.
            tokens: read and written.
        """
        for subject in (of_project(project_id), of_key(key_id)):
            account = self._accounts.get((subject, "tokens"))
            if account:
                account.balance -= tokens

    async def _accounts_of(self, key: ApiKey) -> list[_Account]:
        project, own = await self._limits_of(key)
        found = []
        for subject, limits in ((of_project(key.project_id), project), (of_key(key.id), own)):
            for unit in _UNITS:
                per_minute = limits.per_minute(unit)
                if per_minute is not None:
                    found.append(self._account(subject, key.project_id, unit, per_minute))
        return found

    async def _limits_of(self, key: ApiKey) -> tuple[Limits, Limits]:
        whose = key.project_id, key.id
        seen_at, project, own = self._limits.get(whose, (-math.inf, Limits(), Limits()))
        if time.monotonic() - seen_at > REMEMBERED_SECONDS:
            project, own = await run_in_threadpool(self._read, *whose)
            self._limits[whose] = time.monotonic(), project, own
            while len(self._limits) > _MOST_REMEMBERED:
                self._limits.popitem(last=False)
        return project, own

    def _read(self, project_id: str, key_id: str) -> tuple[Limits, Limits]:
        return self._store.project(project_id), self._store.key(key_id)

    def _account(self, subject: str, project_id: str, unit: Unit, per_minute: int) -> _Account:
        account = self._accounts.get((subject, unit))
        if account is None:
            account = self._accounts[subject, unit] = _Account(subject, project_id, unit, per_minute)
        account.per_minute = per_minute
        while len(self._accounts) > _MOST_REMEMBERED:
            self._accounts.popitem(last=False)
        return account

    async def _require(self, account: _Account) -> None:
        async with account.lock:
            if _suffices(account):
                return
            if time.monotonic() >= account.refused_until:
                await self._lease(account)
            if not _suffices(account):
                raise _refusal(account)

    async def _lease(self, account: _Account) -> None:
        spent, account.balance = account.balance, 0.0
        debt, kept = max(0.0, -spent), max(0.0, spent)
        lease = await run_in_threadpool(
            self._store.take,
            account.subject,
            account.project_id,
            account.unit,
            per_minute=account.per_minute,
            wanted=max(1.0, account.per_minute / 60 * _LEASE_SECONDS),
            debt=debt,
        )
        # Answers that ended meanwhile have taken theirs off the new balance.
        account.balance += kept + lease.granted
        account.level = lease.level
        if not _suffices(account):
            missing = (1.0 if account.unit == "requests" else 0.001) - account.balance - lease.level
            account.refused_until = time.monotonic() + max(0.05, missing * 60 / account.per_minute)


def _suffices(account: _Account) -> bool:
    return account.balance >= 1 if account.unit == "requests" else account.balance > 0


def _refusal(account: _Account) -> RateLimitError:
    seconds = max(1, math.ceil(account.refused_until - time.monotonic()))
    who = "project" if account.subject.startswith("project:") else "key"
    return RateLimitError(
        f"This {who} has used its {account.per_minute} {account.unit} a minute. Try again in {seconds} s, or ask an "
        "administrator for a higher limit.",
        unit=account.unit,
        retry_after_seconds=seconds,
    )


def limit_headers(accounts: list[_Account]) -> dict[str, str]:
    """What is left, in the words of the OpenAI API; of the project or of the key, whichever has less.

    Args:
        accounts: those that a request draws on.

    Returns:
        Headers.
    """
    headers: dict[str, str] = {}
    for unit in _UNITS:
        limited = [account for account in accounts if account.unit == unit]
        if limited:
            least = min(limited, key=lambda account: account.remaining)
            full_in = (least.per_minute - least.remaining) * 60 / least.per_minute
            headers |= {
                f"x-ratelimit-limit-{unit}": str(least.per_minute),
                f"x-ratelimit-remaining-{unit}": str(least.remaining),
                f"x-ratelimit-reset-{unit}": _duration(full_in),
            }
    return headers


def _duration(seconds: float) -> str:
    minutes, rest = divmod(max(0.0, seconds), 60)
    if minutes:
        return f"{minutes:.0f}m{rest:.0f}s"
    return f"{rest:.3g}s" if rest >= 1 else f"{rest * 1000:.0f}ms"
