"""Records: dataclasses whose fields nothing changes, which the type checker sees to.

A frozen dataclass sees to it at run time, and takes four times as long to make; a compiler that
makes millions spent a tenth of its time on that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

Class = TypeVar("Class")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(*, eq: bool = True) -> Callable[[type[Class]], type[Class]]:
    """A class of records, with slots. `eq`: they are equal where their fields are; otherwise only
    to themselves."""
    return dataclass(eq=eq, unsafe_hash=eq, slots=True)
