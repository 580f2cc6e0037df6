"""From text to syntax tree and back."""

from .format import format_program
from .parse import parse_source

__all__ = ["format_program", "parse_source"]
