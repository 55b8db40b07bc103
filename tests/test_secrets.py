"""No token anywhere: not on a screen, in a log, a file, an address, a traceback or a list of processes.

The commands that use tokens run as a reader runs them, with recognisable ones, in success and in every fault.
That no committed file holds a token is a test of the repository.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from github_server import GitHubServer
from hub_server import HubServer
from made_up import photos
from reliability import record

pytestmark = pytest.mark.long
ROOT = Path(__file__).parents[1]
SMALL = ["--epochs", "1", "--n_latent", "1", "--T_deep", "1"]


class Watcher:
    """Runs commands with secrets in their environment, and finds the places where these turn up."""

    def __init__(self, folder: Path, hub: HubServer, github: GitHubServer) -> None:
        self.folder, self.hub, self.github = folder, hub, github
        self.found: list[str] = []
        self.commands = self.looks = 0
        for name in ("home", "tmp", "work"):
            (folder / name).mkdir()

    def run(self, *command: str, token: str | None = None, interrupt: bool = False, **more: str) -> int:
        """Run `strm COMMAND` and look at all that it said; return its code."""
        said = {"HF_REPO_ID": "reader/asl", "GITHUB_TOKEN": self.github.token, "OMP_NUM_THREADS": "1"}
        said |= {"GITHUB_API_URL": self.github.url, "TMPDIR": str(self.folder / "tmp")} | more
        token = self.hub.token if token is None else token
        environment = os.environ | self.hub.environment(self.folder / "home", token) | said
        process = subprocess.Popen(
            [sys.executable, "-m", "strm", *command], env=environment,
            cwd=self.folder / "work", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        while process.poll() is None:
            for one in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
                try:
                    self._look(
                        " ".join(one.cmdline()).encode(), f"{command[0]}: the list of processes", token
                    )
                    self.looks += 1
                except psutil.Error:
                    pass
            if interrupt and self.hub.requests:
                process.send_signal(signal.SIGINT)
            try:
                process.wait(0.2)
            except subprocess.TimeoutExpired:
                continue
        assert process.stdout is not None
        self._look(process.stdout.read(), f"{command[0]}: what it said", token)
        self.commands += 1
        return process.returncode

    def _look(self, content: bytes, where: str, token: str = "") -> None:
        ours = (self.hub.token, self.hub.read_token, self.github.token, self.github.read_token, token)
        for secret in filter(None, ours):
            if secret.encode() in content or secret[-12:].encode() in content:
                self.found.append(where)

    def files(self) -> int:
        """Look into every file that the commands made, and into every address that was asked for."""
        every = [path for path in self.folder.rglob("*") if path.is_file()]
        for path in every:
            self._look(path.read_bytes() + path.name.encode(), str(path))
        for address in (*self.hub.addresses, *(path for _, path, _ in self.github.requests)):
            self._look(address.encode(), f"the address {address}")
        return len(every)


def test_no_token_turns_up_anywhere(tmp_path):
    photos("ABI", people=2).to_csv(tmp_path / "photos.csv", index=False)
    kaggle = ["kaggle", "--csv", str(tmp_path / "photos.csv"), *SMALL, "--device", "cpu", "--out_dir"]
    loud = {"HF_HUB_VERBOSITY": "debug", "HF_DEBUG": "1"}
    with HubServer() as hub, GitHubServer() as github:
        watcher = Watcher(tmp_path, hub, github)
        push = ["push", "--repo_id", "reader/asl"]
        read = ["evaluate", "--csv", str(tmp_path / "photos.csv"), "--model", "reader/asl"]
        assert watcher.run(*push) == 0 and watcher.run(*read, **loud) == 0
        assert watcher.run(*kaggle, str(tmp_path / "one"), **loud) == 0
        sent = [token for _, _, token in hub.requests]
        assert hub.token in sent and any(github.token in (said or "") for *_, said in github.requests)

        codes = []
        for status in (401, 403, 500):
            hub.faults.clear()
            hub.fail_next(status, times=float("inf"))
            codes.append(watcher.run(*push, **loud))
        for match in ("/commit/", "preupload"):
            hub.faults.clear()
            hub.cut_after(5, match)
            codes.append(watcher.run(*push))
        hub.faults.clear()
        codes.append(watcher.run(*push, token=hub.read_token))
        codes.append(watcher.run(*push, token="hf_" + "wrong" * 6))
        codes.append(watcher.run(*push, token="hf_with a space in it"))
        github.fail = ("GET", 401)
        codes.append(watcher.run(*kaggle, str(tmp_path / "two")))
        github.fail, github.cut = None, "POST"
        codes.append(watcher.run(*kaggle, str(tmp_path / "two")))
        assert all(code in (1, 2) for code in codes), codes
        hub.requests.clear()
        watcher.run(*push, interrupt=True)
        hub.stop()
        assert watcher.run(*push) == 2, "nobody answers"
        files = watcher.files()
    assert not watcher.found
    assert files > 10 and watcher.looks > watcher.commands
    record(
        "tokens",
        commands=watcher.commands,
        of_them_failed=len(codes) + 1,
        files_looked_into=files,
        addresses_looked_at=len(hub.addresses) + len(github.requests),
        looks_at_the_list_of_processes=watcher.looks,
        tokens_found=0,
    )


def test_a_token_that_turns_up_is_found(tmp_path):
    """The watcher itself: a command that is given a token as an argument, and one that writes it down."""
    with HubServer() as hub, GitHubServer() as github:
        watcher = Watcher(tmp_path, hub, github)
        watcher.run("evaluate", "--csv", hub.token, "--model", "no/where")
        (tmp_path / "work" / "log.txt").write_text(f"Bearer {github.token}")
        watcher.files()
    assert any("list of processes" in where for where in watcher.found)
    assert any(where.endswith("log.txt") for where in watcher.found)
