"""One function over many batches of images: here, on the cores of this machine, or on a cluster."""

import importlib.util
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from typing import Any, TypeVar

import numpy as np
import torch

from resarray.spec.errors import ResarrayError, reason

from .data import Images

Answer = TypeVar("Answer")
Compute = Callable[[Images], Answer]
Read = Callable[[np.ndarray], Images]

# Batches that wait for each process: it has work while its answer is taken.
AHEAD = 2
CONNECT_SECONDS = 10


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def each(
    compute: Compute[Answer],
    read: Read,
    chunks: Sequence[np.ndarray],
    jobs: int,
    scheduler: str | None = None,
) -> Iterator[Answer]:
    """``compute(read(chunk))`` of each of ``chunks``, in their order: in ``jobs`` processes, or on
    the Dask cluster at the address ``scheduler``, which is sent the images."""
    if scheduler is not None:
        return _on_cluster(compute, read, chunks, scheduler)
    jobs = min(jobs, len(chunks))
    if jobs <= 1:
        return (compute(read(chunk)) for chunk in chunks)
    return _in_processes(compute, read, chunks, jobs)


# -- on this machine -------------------------------------------------------------------------

# What the processes do: they are forked, since a user's functions can be in it, which no other
# process could be sent.
_work: Callable[[np.ndarray], Any] | None = None


def _in_processes(
    compute: Compute[Answer], read: Read, chunks: Sequence[np.ndarray], jobs: int
) -> Iterator[Answer]:
    global _work
    _work = lambda chunk: compute(read(chunk))  # noqa: E731
    context = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(jobs, context, _begin)
    try:
        submit = [(lambda c=chunk: pool.submit(_do, c)) for chunk in chunks]
        yield from _in_order(submit, jobs * AHEAD)
    finally:
        pool.shutdown(cancel_futures=True)
        _work = None


def _begin() -> None:
    """In a forked process: signals are the first one's to handle; one thread, since those of the
    first are not here."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)


def _do(chunk: np.ndarray) -> Any:
    assert _work is not None
    return _work(chunk)


def _in_order(submit: Sequence[Callable[[], Any]], width: int) -> Iterator[Any]:
    """Results of futures, at most ``width`` of them at a time."""
    waiting: deque[Any] = deque()
    for start in submit:
        if len(waiting) == width:
            yield waiting.popleft().result()
        waiting.append(start())
    while waiting:
        yield waiting.popleft().result()


# -- on a cluster ----------------------------------------------------------------------------


def require_cluster() -> None:
    """`ResarrayError` where what speaks to a cluster is not installed."""
    if importlib.util.find_spec("distributed") is None:
        raise ResarrayError(
            "--scheduler needs the package 'distributed', which is not installed: "
            "pip install 'resarray[cluster]', or leave it out and give --jobs"
        )


def _on_cluster(
    compute: Compute[Answer], read: Read, chunks: Sequence[np.ndarray], address: str
) -> Iterator[Answer]:
    require_cluster()
    from distributed import Client

    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ResarrayError(
            f"no Dask scheduler answers at '{address}' ({reason(error)}): start one with 'dask "
            "scheduler', and give its address, as tcp://host:8786"
        ) from error
    with closing(client):
        width = AHEAD * sum(client.nthreads().values())
        if not width:
            raise ResarrayError(
                f"the Dask scheduler at '{address}' has no workers: start some with 'dask worker "
                f"{address}'"
            )
        try:
            sent = client.scatter(compute, broadcast=True, hash=False)
            submit = [
                (lambda c=chunk: client.submit(_call, sent, read(c), pure=False))
                for chunk in chunks
            ]
            yield from _in_order(submit, width)
        except ResarrayError:
            raise
        except Exception as error:  # whatever goes wrong on another machine
            raise ResarrayError(
                f"the Dask cluster at '{address}' failed ({reason(error)}): its workers need the "
                "same version of resarray"
            ) from error


def _call(compute: Compute[Answer], images: Images) -> Answer:
    return compute(images)
