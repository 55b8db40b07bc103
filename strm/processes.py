"""Work in several processes of this machine, none of which outlives who asked for it."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError

from strm.files import UserError

LOOK_S, GRACE_S = 0.5, 5.0


def each(work: Callable, pieces: Sequence[tuple], jobs: int) -> Iterator[Any]:
    """Do work(*piece) for each piece in up to `jobs` processes, and yield the results in the pieces' order.

    Raises UserError if the system kills a process, as it does where memory is short.
    """
    calls = (delayed(_piece)(os.getpid(), work, piece) for piece in pieces)
    try:
        yield from Parallel(n_jobs=min(jobs, len(pieces)) or 1, return_as="generator")(calls)
    except TerminatedWorkerError as error:
        raise UserError(
            "The system killed a process, for want of memory perhaps: run it again with fewer --jobs; "
            "what is done is kept."
        ) from error


def _piece(asker: int, work: Callable, piece: tuple) -> Any:
    if asker != os.getpid():
        follow(asker)
    return work(*piece)


@lru_cache(maxsize=1)
def follow(parent: int) -> None:
    """End this process soon after its parent, which may have been killed and could tell nobody.

    Not on Windows, where no process is told: there it ends when it has nothing more to do.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_S)
        os.kill(os.getpid(), signal.SIGTERM)  # who has something to tidy up can do so
        time.sleep(GRACE_S)
        os._exit(1)

    if sys.platform != "win32":
        threading.Thread(target=watch, daemon=True).start()
