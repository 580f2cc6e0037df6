"""Writing files so that they are whole or absent."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .errors import Diagnostic, OptionError


@contextmanager
def new_folder(folder: Path, *, force: bool) -> Iterator[Path]:
    """A temporary folder that takes the place of `folder` when all went well.

    Raises `OptionError` (E030) if `folder` exists and `force` is not set, (E031) if it cannot be
    written.
    """
    check_folder(folder, force=force)
    temporary = None
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.absolute().parent))
        temporary.chmod(0o755)
        yield temporary
        if folder.exists():
            old = temporary.with_name(temporary.name + ".old")
            folder.rename(old)
            temporary.rename(folder)
            shutil.rmtree(old)
        else:
            temporary.rename(folder)
    except OSError as e:
        raise _cannot_write(folder, e) from None
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def check_room(folder: Path, size: int) -> None:
    """Raises `OptionError` E031 where so many bytes do not fit beside a folder."""
    free = shutil.disk_usage(folder.absolute().parent).free
    if size > free:
        message = (
            f"`{folder}` would take about {size / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB are free"
        )
        help = "choose another disk, or smaller ranges; --max-parameters refuses before compiling"
        raise OptionError.at("E031", None, message, help)


def check_folder(folder: Path, *, force: bool) -> None:
    """Raises `OptionError` where `new_folder` could not put a folder: E030 if something is there
    already, E031 if nothing can be written there."""
    _check_parent(folder)
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise OptionError.at(
            "E030", None, f"`{folder}` exists and is not a folder", "choose another"
        )
    if folder.exists() and not force:
        help = "choose another name, or replace it with --force"
        raise OptionError.at("E030", None, f"`{folder}` exists already", help)
    if folder.exists() and any(folder.iterdir()) and not (folder / "config.json").is_file():
        message = f"`{folder}` holds other files than a checkpoint"
        raise OptionError.at("E030", None, message, "choose another name: --force would erase them")


def check_file(path: Path, *, force: bool) -> None:
    """Raises `OptionError` where a new file cannot be: E030 if something is there already, E031 if
    nothing can be written there. With `force` a file may be replaced, but nothing else."""
    _check_parent(path)
    if path.exists() and not path.is_file():
        raise OptionError.at("E030", None, f"`{path}` exists and is not a file", "choose another")
    if (path.exists() or path.is_symlink()) and not force:
        help = "choose another name, or replace it with --force"
        raise OptionError.at("E030", None, f"`{path}` exists already", help)


def _check_parent(path: Path) -> None:
    parent = path.absolute().parent
    try:
        if parent.is_dir():
            path.is_symlink()  # raises for a name that is too long
            return
    except OSError as e:
        raise _cannot_write(path, e) from None
    found = "is not a folder" if parent.exists() else "does not exist"
    message = f"cannot write `{path}`: the folder `{parent}` {found}"
    raise OptionError.at("E031", None, message, "create it first, or choose another path")


def _cannot_write(path: Path, e: OSError) -> OptionError:
    reason = e.strerror or str(e)
    message = f"cannot write `{path}`: {reason}"
    return OptionError(Diagnostic("E031", message, None, "check the path"))


def write_text(path: Path, text: str) -> None:
    """Write a text file whole. Raises `OptionError` (E031)."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole: under a temporary name, then renamed. Raises `OptionError` (E031)."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.absolute().parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
            Path(name).chmod(mode)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as e:
        raise _cannot_write(path, e) from None


def write_all(folder: Path, files: Mapping[str, str]) -> None:
    """Write text files below a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
