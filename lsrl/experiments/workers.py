"""Where cells are run: in this process, in local processes, or on a Dask cluster."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import LsrlError, OptionError
from .study import Outcome, study
from .sweep import Cell

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
MOST_TRIES = 3  # of a cell whose worker died


@dataclass(frozen=True)
class Failure:
    """A cell that ended in a mistake of ours, or whose workers died: it is not done."""

    words: str


Done = tuple[Cell, Outcome | Failure]


class Workers(Protocol):
    """Run cells and hand back each when it is done, in any order."""

    def run(self, cells: Sequence[Cell]) -> Iterator[Done]: ...


def work(cell: Cell) -> Outcome | Failure:
    """Run a cell. What cannot be is a row that is `refused`; a mistake of ours is a `Failure`."""
    try:
        return study(cell.study).run(cell)
    except LsrlError as e:
        d = e.diagnostics[0]
        return Outcome([{"refused": f"{d.code}: {d.message}"}])
    except Exception as e:
        if os.environ.get("LSRL_DEBUG"):
            raise
        return Failure(f"{type(e).__name__}: {e}")


class Here:
    """One cell after the other in this process."""

    def run(self, cells: Sequence[Cell]) -> Iterator[Done]:
        for cell in cells:
            yield cell, work(cell)


@dataclass(frozen=True)
class Local:
    """Processes of this machine, each with one thread. A cell whose process dies is tried again."""

    jobs: int

    def run(self, cells: Sequence[Cell]) -> Iterator[Done]:
        left = {c.id: c for c in cells}
        for attempt in range(MOST_TRIES):
            try:
                for cell, outcome in self._once(list(left.values())):
                    del left[cell.id]
                    yield cell, outcome
                return
            except BrokenProcessPool:
                if attempt == MOST_TRIES - 1:
                    words = f"a worker died {MOST_TRIES} times, perhaps for want of memory"
                    yield from ((cell, Failure(words)) for cell in left.values())

    def _once(self, cells: Sequence[Cell]) -> Iterator[Done]:
        before = set(multiprocessing.active_children())
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(self.jobs, mp_context=context, initializer=_ignore_interrupts)
        finished = False
        try:
            with _single_threads():
                futures = {pool.submit(work, cell): cell for cell in cells}
            for future in as_completed(futures):
                yield futures[future], future.result()
            finished = True
        finally:
            if not finished:  # interrupted: what is half done is not waited for
                for process in set(multiprocessing.active_children()) - before:
                    process.terminate()
            pool.shutdown(wait=True, cancel_futures=True)


def _ignore_interrupts() -> None:
    """Ctrl-C reaches all processes of a terminal; the parent decides what becomes of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _single_threads() -> Iterator[None]:
    """Processes started in here compute with one thread each."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@dataclass(frozen=True)
class Dask:
    """A Dask cluster by the address of its scheduler. It runs again what a lost worker had; a cell
    is handed back once, by the process that writes."""

    address: str

    def run(self, cells: Sequence[Cell]) -> Iterator[Done]:
        """Raises `OptionError` E055 if nothing answers there, E026 without `distributed`."""
        client = self._client()
        try:
            futures = {c.id: client.submit(work, c, pure=False, key=f"lsrl-{c.id}") for c in cells}
            by_key = {f.key: c for c, f in zip(cells, futures.values(), strict=True)}
            for future in _as_done(client, list(futures.values())):
                yield by_key[future.key], _result(future)
        finally:
            client.close()

    def _client(self) -> Any:
        try:
            from distributed import Client
        except ImportError:
            message = "`--scheduler` needs the package `distributed`"
            raise OptionError.at("E026", None, message, "pip install 'lsrl[experiments]'") from None
        try:
            return Client(  # type: ignore[no-untyped-call]
                self.address, timeout="10s", set_as_default=False
            )
        except (OSError, ValueError, TimeoutError) as e:
            message = f"no Dask scheduler answers at `{self.address}`: {e}"
            help = "start one with `dask scheduler`, and give the address that it prints"
            raise OptionError.at("E055", None, message, help) from None


def _as_done(client: Any, futures: list[Any]) -> Iterator[Any]:
    from distributed import as_completed

    yield from as_completed(futures, loop=client.loop)  # type: ignore[no-untyped-call]


def _result(future: Any) -> Outcome | Failure:
    error = future.exception()
    return Failure(f"{type(error).__name__}: {error}") if error is not None else future.result()


def processors() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def workers(jobs: int | None, scheduler: str | None) -> Workers:
    """Those that were asked for; by default as many local processes as there are processors."""
    if scheduler is not None:
        return Dask(scheduler)
    jobs = jobs or processors()
    return Here() if jobs == 1 else Local(jobs)
