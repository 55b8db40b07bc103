"""Where a notebook runs, and so what can be shown and asked there: widgets, a camera, neither."""

import os
import sys
from typing import Any

# What a Jupyter far from its reader has in its environment: a hub, a container in a cluster, a login by ssh.
FAR = ("JUPYTERHUB_USER", "BINDER_LAUNCH_HOST", "CODESPACES", "KUBERNETES_SERVICE_HOST", "SSH_CONNECTION")
COLAB, KAGGLE, REMOTE, HERE = "colab", "kaggle", "remote", "here"


def live() -> bool:
    """Whether somebody sits before this notebook. Who runs one to its end alone can't be asked anything."""
    if place() == COLAB:
        return True
    notebook = sys.modules.get("IPython")  # there wherever a notebook is
    shell = notebook.get_ipython() if notebook else None
    if shell is None or not hasattr(shell, "get_parent"):
        return False
    request = shell.get_parent()
    return bool(request.get("content", request).get("allow_stdin", False))


def place() -> str:
    """Return COLAB, KAGGLE, REMOTE (a server far from its reader, as far as can be told) or HERE."""
    if "KAGGLE_KERNEL_RUN_TYPE" in os.environ:  # first: its image has Colab's module in it
        return KAGGLE
    if "google.colab" in sys.modules:
        return COLAB
    return REMOTE if any(name in os.environ for name in FAR) else HERE


def display(shown: Any) -> None:
    """Show a widget, or anything else that IPython can."""
    if place() == COLAB:
        import ipywidgets

        # Colab draws the widgets of version 7, which it brings; newer ones it must be allowed to fetch.
        if int(ipywidgets.__version__.partition(".")[0]) > 7:
            sys.modules["google.colab"].output.enable_custom_widget_manager()
    sys.modules["IPython.display"].display(shown)  # ipywidgets brings it
