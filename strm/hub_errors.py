"""What goes wrong between us and the Hub, each in one sentence. No sentence holds a token."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import constants, get_token
from huggingface_hub.errors import (
    EntryNotFoundError,
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RevisionNotFoundError,
)
from huggingface_hub.utils import (
    are_progress_bars_disabled,
    disable_progress_bars,
    enable_progress_bars,
    get_session,
)
from huggingface_hub.utils import logging as hub_logging

from strm.files import ILL, UserError, trouble

# Nobody answered, or the line was cut: httpx's errors, whose first ancestor the Hub's own answers share.
NETWORK: tuple[type[Exception], ...] = (
    HfHubHTTPError.__bases__[0],
    OfflineModeIsEnabled,
    ConnectionError,
    TimeoutError,
)
TIMEOUT = 20  # seconds for an answer, where the library would wait for ever
TOKENS = "https://huggingface.co/settings/tokens"
LOG_IN = "run `hf auth login` or set HF_TOKEN"


def usable(token: str | bool | None) -> str | bool:
    """Return the token to send: this one, or that of HF_TOKEN or the stored login; False for none."""
    found = get_token() if token is None or token is True else token
    if isinstance(found, str) and not re.fullmatch(r"[!-~]+", found):
        # Refused here: as a header it would fail in an error that quotes it.
        raise UserError(
            f"The token for the Hub holds characters that no token has: copy it again from {TOKENS}."
        )
    return found or False


def missing(error: Exception) -> bool:
    """Whether nothing useful answered, so that what is kept on this machine may be used instead."""
    return not isinstance(error, HfHubHTTPError) or error.response.status_code >= 500


@contextmanager
def plainly(repo: str, revision: str | None, token: str | bool, writing: bool = False) -> Iterator[None]:
    """Turn whatever the Hub's library raises into one sentence (UserError); hush its bars and warnings."""
    level, bars, session = hub_logging.get_verbosity(), are_progress_bars_disabled(), get_session()
    waits, session.timeout = session.timeout, TIMEOUT
    hub_logging.set_verbosity(hub_logging.CRITICAL)
    disable_progress_bars()
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        # What the library raises holds the request, and this its token: no traceback shall lead there.
        raise UserError(_sentence(error, repo, revision, bool(token), writing)) from None
    finally:
        hub_logging.set_verbosity(level)
        session.timeout = waits
        if not bars:
            enable_progress_bars()


def _sentence(error: Exception, repo: str, revision: str | None, token: bool, writing: bool) -> str:
    hub, nowhere = constants.ENDPOINT, "" if writing else f"{repo} is no folder here, and "
    kept = "run it again, " + ("what has arrived is not sent twice" if writing else "nothing was kept")
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, HFValidationError):
            return (
                f"{repo} is no repository's name: it must be user/name, of letters, digits, '-', '_' and '.'."
            )
        if isinstance(cause, HfHubHTTPError):
            return _answered(cause, repo, revision, token, writing)
        if isinstance(cause, OfflineModeIsEnabled):
            return (
                f"{repo} was never fetched here, and HF_HUB_OFFLINE forbids to: unset it, and run it again."
            )
        if isinstance(cause, FileMetadataError):
            break
        if isinstance(cause, NETWORK):
            if type(cause).__name__ in ("ConnectError", "ConnectTimeout", "ProxyError"):
                return f"{nowhere or 'Nothing was committed: '}nobody answers at {hub}: check the connection."
            return f"The connection to {hub} was lost: {kept}."
        if isinstance(cause, OSError) and cause.errno in ILL:
            return str(trouble(cause.filename or constants.HF_HUB_CACHE, cause))
        if isinstance(cause, LocalEntryNotFoundError) and not (cause.__cause__ or cause.__context__):
            return f"{repo} was never fetched here: fetch it once with a connection."
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, OSError | RuntimeError) and not isinstance(error, LocalEntryNotFoundError):
        return f"The connection to {hub} was lost ({type(error).__name__}): {kept}."
    said = f"What answers at {hub} is no Hub ({type(error).__name__})"
    return f"{said}: check HF_ENDPOINT, or log in to your network."


def _answered(error: HfHubHTTPError, repo: str, revision: str | None, token: bool, writing: bool) -> str:
    """Say what an answer with an error code means."""
    status = error.response.status_code
    if isinstance(error, GatedRepoError):
        return f"{repo} is open to those only who ask: do so on its page, {constants.ENDPOINT}/{repo}."
    if isinstance(error, RevisionNotFoundError):
        return f"{repo} has no revision {revision or 'main'}: name a branch, a tag or a commit of it."
    if isinstance(error, EntryNotFoundError):
        name = str(error.response.url).rpartition("/")[2]
        return f"{repo} holds no {name}: it is no model of `strm push`."
    if status == 401 and token:
        return f"The Hub does not accept the token: make a new one at {TOKENS}, then {LOG_IN}."
    if status in (401, 404):
        missed = f"{repo} does not exist on the Hub"
        if not writing:  # it was asked for as a folder too
            missed = f"{repo} is no folder here, and on the Hub it does not exist"
        if token:
            return f"{missed}, or your token may not see it: check its name."
        return f"{missed}, or is private: check its name, or {LOG_IN}."
    if status == 403 and writing:
        return f"Your token may not write to {repo}: make one that may at {TOKENS}, then {LOG_IN}."
    if status == 429:
        return "The Hub asks for patience (429): run it again in some minutes."
    if status >= 500:
        return f"The Hub is out of order ({status}): run it again later."
    return f"The Hub refused ({status}) what was asked of {repo}: run it again later."
