"""Files: reading, imports, and the scope of names that each file makes."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path

from ..errors import Diagnostic, LsrlError, OptionError, ProgramError
from ..source import Source, Span
from ..syntax import ast
from ..syntax.parse import parse_source

MAX_BYTES = 16 << 20


def read_source(path: str | Path) -> Source:
    """Read a program file. Raises `OptionError` for what is not a readable UTF-8 text file."""
    file = Path(path)
    try:
        data = file.read_bytes() if file.stat().st_size <= MAX_BYTES else None
    except OSError as problem:
        reason = problem.strerror or str(problem)
        help = "give the path of a .lsrl file"
        if (file / "config.json").is_file():
            help = f"this is a checkpoint; its program is `{file / 'program.lsrl'}`"
        raise OptionError.at("E001", None, f"cannot read `{path}`: {reason}", help) from None
    if data is None:
        raise OptionError.at("E001", None, f"`{path}` is too large for a program", "check the path")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        good = data[: problem.start].decode("utf-8", "replace")
        source = Source(str(path), good + "\ufffd", file)
        span = Span(source, len(good), len(good) + 1)
        message = f"the file is not UTF-8: byte 0x{data[problem.start]:02x}"
        raise ProgramError.at("E002", span, message, "save it as UTF-8") from None
    if "\0" in text:
        raise OptionError.at("E001", None, f"`{path}` is not a text file", "check the path")
    return Source(str(path), text.replace("\r\n", "\n"), file)


@cache
def library() -> ast.Tree:
    """The standard library's syntax tree."""
    text = (resources.files("lsrl.std") / "std.lsrl").read_text(encoding="utf-8")
    return parse_source(Source("<std>", text))


def load_imports(tree: ast.Tree) -> dict[Path, ast.Tree]:
    """All files that a program imports, directly or not, by absolute path.

    Raises `ProgramError` for paths outside of the importing file's folder tree, for cycles, and for
    files that cannot be read or parsed.
    """
    loaded: dict[Path, ast.Tree] = {}
    problems: list[Diagnostic] = []
    start = tree.source.path
    _visit(tree, loaded, [start.resolve()] if start else [], problems)
    if problems:
        raise ProgramError(problems)
    return loaded


def _visit(
    tree: ast.Tree, loaded: dict[Path, ast.Tree], path: list[Path], problems: list[Diagnostic]
) -> None:
    for declaration in tree.declarations:
        if not isinstance(declaration, ast.Import):
            continue
        try:
            target = import_path(tree, declaration)
            if target in path:
                names = [p.name for p in [*path[path.index(target) :], target]]
                message = f"these files import each other: {' -> '.join(names)}"
                help = "move what both need into a third file"
                problems.append(Diagnostic("E502", message, declaration.span, help))
            elif target not in loaded:
                loaded[target] = parse_source(_read_import(target, declaration))
                _visit(loaded[target], loaded, [*path, target], problems)
        except LsrlError as e:
            problems += e.diagnostics


def _read_import(target: Path, declaration: ast.Import) -> Source:
    try:
        return read_source(target)
    except OptionError as e:
        first = e.diagnostics[0]
        message = f'cannot import "{declaration.path}": {first.message}'
        raise ProgramError.at("E503", declaration.span, message, "check the path") from None


def import_path(tree: ast.Tree, declaration: ast.Import) -> Path:
    """The absolute path of an import."""
    span = declaration.span
    if tree.source.path is None:
        message = "a program that is not in a file cannot import"
        raise ProgramError.at("E501", span, message, "save it as a file first")
    folder = tree.source.path.resolve().parent
    target = (folder / declaration.path).resolve()
    if not target.is_relative_to(folder):
        message = f'"{declaration.path}" is outside of the folder of this file'
        help = "imports stay inside the importing file's folder tree"
        raise ProgramError.at("E501", span, message, help)
    return target
