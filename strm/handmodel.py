"""The hand model that MediaPipe's Tasks API asks for, put together from the files inside MediaPipe's wheel.

The wheel has the two nets, not the bundle, which is an uncompressed zip of them. So nothing is downloaded.
"""

import hashlib
import io
import os
import sys
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from strm.files import UserError, replacing

MEDIAPIPE = "0.10.14"  # the version that everything here was measured with
NETS = {
    "hand_detector.tflite": (
        "palm_detection/palm_detection_full.tflite",
        "1b14e9422c6ad006cde6581a46c8b90dd573c07ab7f3934b5589e7cea3f89a54",
    ),
    "hand_landmarks_detector.tflite": (
        "hand_landmark/hand_landmark_full.tflite",
        "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
    ),
}
BUNDLE_SHA256 = "ef3f184fa8d5e6905ea4770282627d6937975119af763054312d05985c059bda"


def load_mediapipe() -> Any:
    """Import MediaPipe, with its Tasks API, or say how to install it."""
    os.environ.setdefault("GLOG_minloglevel", "2")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    warnings.filterwarnings("ignore", "SymbolDatabase.GetPrototype", UserWarning)  # MediaPipe's own affair
    try:
        import mediapipe
        import mediapipe.tasks.python.vision
    except ImportError as error:
        raise UserError(f"MediaPipe is missing ({error}): pip install mediapipe=={MEDIAPIPE}") from error
    return mediapipe


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what MediaPipe's C++ parts print at their start out of the terminal. Failures are still raised."""
    try:
        kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    except OSError:  # no terminal to be kept clean
        yield
        return
    try:
        sys.stderr and sys.stderr.flush()
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def cache_folder() -> Path:
    """Where this computer's user keeps what can be made again."""
    variable, default = "XDG_CACHE_HOME", Path.home() / ".cache"
    if sys.platform == "win32":
        variable, default = "LOCALAPPDATA", Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        default = Path.home() / "Library" / "Caches"
    return Path(os.environ.get(variable) or default) / "strm"


def model_bundle() -> bytes:
    """Return hand_landmarker.task, from the cache if it is whole, else put together again.

    Raises UserError if the wheel holds other nets than the ones that everything here was measured with.
    """
    cached = cache_folder() / "hand_landmarker.task"
    try:
        data = cached.read_bytes()
    except OSError:  # not there yet, or not for us to read
        data = b""
    if hashlib.sha256(data).hexdigest() == BUNDLE_SHA256:
        return data
    data = _assemble(Path(load_mediapipe().__file__).parent / "modules")
    try:
        with replacing(cached) as temporary:
            temporary.write_bytes(data)
    except (OSError, UserError):
        pass  # no place to keep it: it is put together again next time
    return data


def _assemble(modules: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as bundle:
        for name, (source, sha256) in NETS.items():
            path = modules / source
            net = path.read_bytes() if path.is_file() else b""
            if hashlib.sha256(net).hexdigest() != sha256:
                raise UserError(
                    f"The installed MediaPipe has another hand model in {path.name}: "
                    f"pip install --force-reinstall mediapipe=={MEDIAPIPE}"
                )
            member = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            member.create_system = 3  # the same bytes on Windows as elsewhere
            bundle.writestr(member, net)
    return buffer.getvalue()
