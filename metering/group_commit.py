"""Many callers, one commit: whoever waits for the disk takes along those who came meanwhile."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from sqlite3 import Error
from typing import Generic, TypeVar

from vocabulary.errors import StoreError

Given = TypeVar("Given")
Result = TypeVar("Result")


@dataclass(slots=True, eq=False)
class _Waiting(Generic[Given, Result]):
    given: Given
    results: list[Result] = field(default_factory=list)
    error: Exception | None = None

    @property
    def settled(self) -> bool:
        return bool(self.results) or self.error is not None


class GroupCommit(Generic[Given, Result]):
    """Calls *commit* with everything that waits, one call at a time.

    A call that finds another under way waits for it, and is then part of the next, together with
    all who came in between: under load one disk write serves many, and alone nobody waits.

    Args:
        commit: Makes all of them durable together and gives one result each, or raises.
    """

    def __init__(self, commit: Callable[[Sequence[Given]], Sequence[Result]]) -> None:
        self._commit = commit
        self._arriving = threading.Lock()
        self._turn = threading.Lock()
        self._waiting: list[_Waiting[Given, Result]] = []

    def join(self, given: Given) -> Result:
        """Returns once *given* is durable.

        Raises:
            StoreError: It is not, and neither is anything that shared its commit.
        """
        mine: _Waiting[Given, Result] = _Waiting(given)
        with self._arriving:
            self._waiting.append(mine)
        with self._turn:
            if not mine.settled:
                self._settle()
        if mine.error is not None:
            raise StoreError(f"not written: {mine.error}; is the disk full?") from mine.error
        return mine.results[0]

    def _settle(self) -> None:
        with self._arriving:
            together, self._waiting = self._waiting, []
        try:
            results = self._commit([one.given for one in together])
        except (Error, OSError) as error:
            for one in together:
                one.error = error
        except BaseException as error:
            for one in together:
                one.error = StoreError(f"the commit it shared broke: {type(error).__name__}")
            raise
        else:
            for one, result in zip(together, results, strict=True):
                one.results.append(result)
