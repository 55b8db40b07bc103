"""GitHub on this machine: a real HTTP server with the calls that a push by the REST API makes.

    with GitHubServer() as github:
        monkeypatch.setenv("GITHUB_API_URL", github.url)
        github.files("training-1a2b3c4d")

It keeps commits and trees as GitHub does, and refuses what GitHub refuses. Codes and texts are GitHub's own.
"""

import json
import re
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


class GitHubServer:
    """GitHub with one account, `user`, and its fork `repo`. `token` may write, `read_token` may only read.

    `requests` is what was asked: (method, path, Authorization). fail: answer the next request whose "METHOD
    /path" holds this with this code; moved: an old name of the repository, answered by a redirection; cut:
    hang up on a request that holds this.
    """

    user, repo = "reader", "reader/AI-SignLanguage"

    def __init__(self) -> None:
        self.token = "github_pat_" + secrets.token_hex(12)
        self.read_token = "github_pat_" + secrets.token_hex(12)
        self.trees: dict[str, dict[str, str]] = {"t0": {"README.md": "the book\n"}}
        self.commits = {"c0": {"sha": "c0", "tree": {"sha": "t0"}, "parents": [], "message": "all"}}
        self.branches = {"main": "c0"}
        self.requests: list[tuple[str, str, str | None]] = []
        self.fail: tuple[str, int] | None = None
        self.moved: str | None = None
        self.cut: str | None = None
        self.http = _Http(("127.0.0.1", 0), _Handler)
        self.http.github = self
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def __enter__(self) -> "GitHubServer":
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.http.shutdown()
        self.http.server_close()

    def files(self, branch: str) -> dict[str, str]:
        """What a branch holds."""
        return self.trees[self.commits[self.branches[branch]]["tree"]["sha"]]


class _Http(ThreadingHTTPServer):
    daemon_threads, block_on_close = True, False
    github: GitHubServer


class _Refused(Exception):
    pass


class _Handler(BaseHTTPRequestHandler):
    server: _Http

    def log_message(self, *_):
        pass

    def _handle(self) -> None:
        hub, self.route = self.server.github, unquote(self.path)
        asked = f"{self.command} {self.route}"
        hub.requests.append((self.command, self.route, self.headers.get("Authorization")))
        self.body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        try:
            if hub.cut and hub.cut in asked:
                return
            if hub.fail and hub.fail[0] in asked:
                raise _Refused(hub.fail[1], "Sorry")
            if hub.moved and self.route == f"/repos/{hub.moved}":
                return self._send(301, {}, Location=f"{hub.url}/repositories/1")
            self._answer(hub)
        except _Refused as refused:
            status, said = refused.args
            self._send(status, {"message": said})

    do_GET = do_POST = do_PATCH = _handle

    def _answer(self, hub: GitHubServer) -> None:
        roles = {f"Bearer {hub.token}": "write", f"Bearer {hub.read_token}": "read", None: None}
        said = self.headers.get("Authorization")
        if said not in roles:
            raise _Refused(401, "Bad credentials")
        if self.route == "/user":
            if roles[said] is None:
                raise _Refused(401, "Requires authentication")
            return self._send(200, {"login": hub.user})
        about = {
            "full_name": hub.repo,
            "default_branch": "main",
            "html_url": f"https://github.com/{hub.repo}",
        }
        if self.route in (f"/repos/{hub.repo}", "/repositories/1"):
            return self._send(200, about)
        found = re.fullmatch(rf"/repos/{hub.repo}/git/(.+)", self.route)
        if not found:
            raise _Refused(404, "Not Found")
        if self.command != "GET" and roles[said] != "write":
            raise _Refused(403, "Resource not accessible by personal access token")
        kind, _, name = found[1].partition("/")
        getattr(self, f"{self.command.lower()}_{kind}")(hub, name)

    def _send(self, status: int, value: dict, **headers: str) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {
            "Content-Type": "application/json",
            "Content-Length": str(len(content)),
            **headers,
        }.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(content)

    def get_ref(self, hub: GitHubServer, name: str) -> None:
        branch = name.removeprefix("heads/")
        if branch not in hub.branches:
            raise _Refused(404, "Not Found")
        self._send(200, {"ref": f"refs/{name}", "object": {"sha": hub.branches[branch], "type": "commit"}})

    def get_commits(self, hub: GitHubServer, name: str) -> None:
        self._send(200, hub.commits[name])

    def post_trees(self, hub: GitHubServer, _: str) -> None:
        sha = secrets.token_hex(20)
        hub.trees[sha] = hub.trees[self.body["base_tree"]] | {
            entry["path"]: entry["content"]
            for entry in self.body["tree"]
            if (entry["mode"], entry["type"]) == ("100644", "blob")
        }
        self._send(201, {"sha": sha})

    def post_commits(self, hub: GitHubServer, _: str) -> None:
        sha = secrets.token_hex(20)
        assert self.body["tree"] in hub.trees and all(
            parent in hub.commits for parent in self.body["parents"]
        )
        hub.commits[sha] = {"sha": sha, "tree": {"sha": self.body["tree"]}} | {
            key: self.body[key] for key in ("parents", "message")
        }
        self._send(201, hub.commits[sha])

    def post_refs(self, hub: GitHubServer, _: str) -> None:
        branch = self.body["ref"].removeprefix("refs/heads/")
        if branch in hub.branches or branch == self.body["ref"]:
            raise _Refused(422, "Reference already exists")
        hub.branches[branch] = self.body["sha"]
        self._send(201, {"ref": self.body["ref"]})

    def patch_refs(self, hub: GitHubServer, name: str) -> None:
        branch = name.removeprefix("heads/")
        if branch not in hub.branches:
            raise _Refused(422, "Reference does not exist")
        if hub.branches[branch] not in hub.commits[self.body["sha"]]["parents"]:
            raise _Refused(422, "Update is not a fast forward")
        hub.branches[branch] = self.body["sha"]
        self._send(200, {"ref": f"refs/heads/{branch}"})
