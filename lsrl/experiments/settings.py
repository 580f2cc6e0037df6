"""What a sweep can choose, and the values that it was given."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import OptionError, suggest

Value = int | float | str | bool
KINDS: dict[type, str] = {
    int: "an integer",
    float: "a number",
    str: "a text",
    bool: "a truth value",
}


@dataclass(frozen=True)
class Setting:
    """A name with values of one kind, those of `default` if nothing else is asked for.

    Each combination of values is a cell, except that a cell gets all values of an `inner` setting:
    they cost little next to what they share. `low` is the least number that is admitted.
    """

    name: str
    kind: type
    default: tuple[Value, ...]
    help: str
    inner: bool = False
    low: float = -math.inf
    choices: tuple[str, ...] = ()

    @property
    def flag(self) -> str:
        """Its option on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def described(self) -> str:
        """Its help, with the values that there are."""
        choices = ("true", "false") if self.kind is bool else self.choices
        return self.help + (f" Any of {', '.join(choices)}." if choices else "")

    def values(self, given: Any) -> tuple[Value, ...]:
        """What was given, one value or several, as values. Raises `OptionError` E051."""
        several = given if isinstance(given, list | tuple) else [given]
        found = tuple(self._value(v) for v in several)
        if not found or len(set(found)) < len(found):
            what = "is given no value" if not found else "is given a value twice"
            raise OptionError.at("E051", None, f"`{self.name}` {what}", "give each value once")
        return found

    def _value(self, value: Any) -> Any:
        if self.kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not self.kind:
            message = f"`{self.name}` is {KINDS[self.kind]}, not {value!r}"
            raise OptionError.at("E051", None, message, self.help)
        if isinstance(value, int | float) and not self.low <= value < math.inf:
            message = f"`{self.name}` is {value}, but at least {self.low:g} and finite is needed"
            raise OptionError.at("E051", None, message, self.help)
        if self.choices and value not in self.choices:
            message = f"`{self.name}` has no value `{value}`"
            raise OptionError.at("E051", None, message, f"there are: {', '.join(self.choices)}")
        return value


def chosen(settings: Sequence[Setting], given: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """The values of all settings. Raises `OptionError` E051 for a name that is none of them."""
    names = [s.name for s in settings]
    for name in given:
        if name not in names:
            help = suggest(name, names) or f"there are: {', '.join(names)}"
            raise OptionError.at("E051", None, f"there is no setting `{name}`", help)
    return {s.name: s.values(given[s.name]) if s.name in given else s.default for s in settings}
