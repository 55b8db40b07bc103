"""Past one machine: pieces of work on a Dask cluster, whose results are those of one machine."""

import logging
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from strm import __version__
from strm.files import UserError

ANSWER_S = 10.0  # seconds in which a scheduler must answer
WORKER_S = 60.0  # seconds that we wait for a worker, at the start and when the last one is lost
LOOK_S = 0.1
KEPT = "run this again: what is done is kept"


def on_cluster(address: str, work: Callable, pieces: list[tuple], shared: Iterable[Path]) -> Iterator[Any]:
    """Do work(*piece) for each piece on a Dask scheduler's workers; yield the results as they come.

    address: the scheduler's, host:8786. shared: places that all machines must see under the same path. What
    a lost worker was doing is done by another. Raises UserError for what the user can mend, and whatever the
    work raises. Dask is asked itself and not through joblib, whose Dask backend waits forever for a piece
    that kills its workers.
    """
    try:
        from distributed import CancelledError, Client, KilledWorker, as_completed
        from distributed import TimeoutError as Late
        from distributed.comm import CommClosedError, get_address_host_port
    except ImportError as error:
        raise UserError(
            f'A Dask cluster needs more packages ({error}): pip install "strm[scale]".'
        ) from error
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what it tells of losses is told here, in words
    try:
        get_address_host_port(address, strict=True)  # a client that is given nonsense never ends
        client = Client(address, timeout=ANSWER_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(
            f"No Dask scheduler answers at {address!r}: start `dask scheduler` on one machine, and "
            "`dask worker HOST:8786 --nthreads 1` on each that is to work."
        ) from error
    do = partial(_piece, __version__, [os.path.abspath(place) for place in shared], work)
    with client:
        try:
            client.wait_for_workers(1, timeout=WORKER_S)
            asked, seen = client.map(do, pieces, pure=False), time.monotonic()
            done = as_completed(asked, client.loop, with_results=True)  # to fetch one may take another worker
            while not done.is_empty():
                if done.has_ready():
                    if isinstance(result := next(done)[1], CancelledError):
                        raise result
                    yield result
                    continue
                if client.scheduler_info().get("workers"):
                    seen = time.monotonic()
                elif time.monotonic() - seen > WORKER_S:
                    raise Late
                time.sleep(LOOK_S)
        except Late as error:
            start = f"start `dask worker {address} --nthreads 1` on each machine that is to work"
            raise UserError(f"The Dask scheduler at {address} has no worker: {start}, and {KEPT}.") from error
        except KilledWorker as error:
            often = "Dask workers died again and again of one piece of work: see their logs, and"
            raise UserError(f"{often} {KEPT}.") from error
        except (CancelledError, CommClosedError) as error:
            raise UserError(
                f"The Dask scheduler at {address} is gone: start it and its workers, and {KEPT}."
            ) from error
        except (ImportError, AttributeError, RuntimeError) as error:  # the work could not be unpacked there
            raise UserError(
                f"The cluster at {address} cannot do this ({error}): install one strm on all its machines."
            ) from error


def _piece(version: str, shared: list[str], work: Callable, piece: tuple) -> Any:
    """Do one piece, on a worker: which must be as this machine is, or its rows would not be ours."""
    if version != __version__:
        raise UserError(
            f"{platform.node()} has strm {__version__}, not {version}: install the same everywhere."
        )
    for place in shared:
        if not os.path.exists(place):
            raise UserError(
                f"{platform.node()} sees no {place}: use a folder that all machines share, under one path."
            )
    return work(*piece)
