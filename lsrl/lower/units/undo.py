"""Collections that can forget what was written since a mark, so that realisations can be tried."""

from __future__ import annotations

from typing import Any

_ABSENT = object()


class Undo(dict[Any, Any]):
    """A dictionary with a journal."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.journal: list[tuple[Any, Any]] = []

    def __setitem__(self, key: Any, value: Any) -> None:
        self.journal.append((key, self.get(key, _ABSENT)))
        super().__setitem__(key, value)

    def pop(self, key: Any, default: Any = None) -> Any:
        """Forget one key; this too can be taken back."""
        if key not in self:
            return default
        self.journal.append((key, self[key]))
        return super().pop(key)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """As of any dictionary; this too can be taken back."""
        if key not in self:
            self[key] = default
        return self[key]

    def rollback(self, mark: int) -> None:
        """Forget what came after the mark, a length of the journal."""
        while len(self.journal) > mark:
            key, old = self.journal.pop()
            if old is _ABSENT:
                super().pop(key, None)
            else:
                super().__setitem__(key, old)
