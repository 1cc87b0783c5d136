"""One function over many batches, of images or else: here, on the cores of this machine, or on a
cluster."""

import asyncio
import importlib.util
import logging
import multiprocessing
import os
import re
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from typing import Any, TypeVar

import torch

from resarray.spec.errors import ResarrayError, reason

Answer = TypeVar("Answer")
Batch = TypeVar("Batch")
Chunk = TypeVar("Chunk")

# Batches that wait for each process: it has work while its answer is taken.
AHEAD = 2
CONNECT_SECONDS = 5
_ADDRESS = re.compile(r"(?:tcp|tls)://(\[[0-9A-Fa-f:.]+\]|[\w.-]+):(\d{1,5})", re.ASCII)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def each(
    compute: Callable[[Batch], Answer],
    read: Callable[[Chunk], Batch],
    chunks: Sequence[Chunk],
    jobs: int,
    scheduler: str | None = None,
) -> Iterator[Answer]:
    """``compute(read(chunk))`` of each of ``chunks``, in their order: in ``jobs`` processes, or on
    the Dask cluster at the address ``scheduler``, which is sent the batches.

    ``BrokenProcessPool`` where one of the processes was killed.
    """
    if scheduler is not None:
        return _on_cluster(compute, read, chunks, scheduler)
    jobs = min(jobs, len(chunks))
    if jobs <= 1:
        return (compute(read(chunk)) for chunk in chunks)
    return _in_processes(compute, read, chunks, jobs)


# -- on this machine -------------------------------------------------------------------------

# What the processes do: they are forked, since a user's functions can be in it, which no other
# process could be sent.
_work: Callable[[Any], Any] | None = None


def _in_processes(
    compute: Callable[[Batch], Answer],
    read: Callable[[Chunk], Batch],
    chunks: Sequence[Chunk],
    jobs: int,
) -> Iterator[Answer]:
    global _work
    _work = lambda chunk: compute(read(chunk))  # noqa: E731
    context = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(jobs, context, _begin)
    try:
        submit = [(lambda c=chunk: pool.submit(_do, c)) for chunk in chunks]
        yield from _in_order(submit, jobs * AHEAD)
    except BaseException:  # given up: what they compute is of no use
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        _work = None


def _begin() -> None:
    """In a forked process: signals are the first one's to handle; one thread, since those of the
    first are not here."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)


def _do(chunk: Any) -> Any:
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


def require_cluster(address: str) -> None:
    """`ResarrayError` where ``address`` is none, what speaks to a cluster is not installed, or
    nothing listens there."""
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match[2]) < 1 << 16:
        raise ResarrayError(
            f"--scheduler '{address}' is no address: give tcp://host:port or tls://host:port, as "
            "tcp://localhost:8786"
        )
    if importlib.util.find_spec("distributed") is None:
        raise ResarrayError(
            "--scheduler needs the package 'distributed', which is not installed: "
            "pip install 'resarray[cluster]', or leave it out and give --jobs"
        )
    _silence()
    try:
        asyncio.run(asyncio.wait_for(_shake_hands(address), CONNECT_SECONDS))
    except OSError as error:  # TimeoutError among them
        raise _no_scheduler(address, reason(error)) from error
    except Exception as error:  # whatever else listens there can answer anything
        raise _no_scheduler(address, "something else does, or TLS lacks certificates") from error


async def _shake_hands(address: str) -> None:
    """Alone, since Dask's client tries on for long after its timeout."""
    from distributed.comm import connect
    from distributed.security import Security

    options = Security().get_connection_args("client")
    (await connect(address, timeout=CONNECT_SECONDS, **options)).abort()


def _silence() -> None:
    """Let Dask log nothing: what goes wrong is said once, in a sentence."""
    import distributed  # noqa: F401  it sets levels of its own

    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).disabled = True


def _no_scheduler(address: str, why: str) -> ResarrayError:
    return ResarrayError(
        f"no Dask scheduler answers at '{address}' ({why}): start one with 'dask scheduler', and "
        "give its address, as tcp://host:8786"
    )


def _on_cluster(
    compute: Callable[[Batch], Answer],
    read: Callable[[Chunk], Batch],
    chunks: Sequence[Chunk],
    address: str,
) -> Iterator[Answer]:
    require_cluster(address)
    from distributed import Client

    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise _no_scheduler(address, reason(error)) from error
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


def _call(compute: Callable[[Batch], Answer], batch: Batch) -> Answer:
    return compute(batch)
