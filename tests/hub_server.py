"""A Hugging Face Hub on this machine: a real HTTP server with the calls that huggingface_hub makes.

    with HubServer() as hub:
        subprocess.run([...], env=os.environ | hub.environment(tmp_path, hub.token))
        hub.repos["reader/asl"].files()["config.json"]

Answers, headers and codes are the Hub's own, as huggingface_hub reads them. Large files go through LFS, and
are fetched from another host ("localhost", the Hub being "127.0.0.1"), which must never see a token.
"""

import base64
import hashlib
import json
import re
import secrets
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

LARGE = (".safetensors", ".onnx", ".pt", ".bin")  # what the Hub keeps apart from git


def git_sha(content: bytes) -> str:
    """Name a file as git does."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass
class Commit:
    oid: str
    message: str
    parent: str | None
    files: dict[str, bytes]


@dataclass
class Repo:
    """One repository: its commits, newest last, and which of them each branch or tag names."""

    private: bool = False
    commits: list[Commit] = field(default_factory=list)
    branches: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        self.commit("initial commit", {".gitattributes": b"*.safetensors filter=lfs\n"})

    def commit(self, message: str, files: dict[str, bytes | None], branch: str = "main") -> Commit:
        """Add one commit on a branch; a file of None is deleted."""
        before = self.at(branch) if branch in self.branches else None
        content = {**(before.files if before else {}), **files}
        content = {name: data for name, data in content.items() if data is not None}
        commit = Commit(secrets.token_hex(20), message, before and before.oid, content)
        self.commits.append(commit)
        self.branches[branch] = commit.oid
        return commit

    def at(self, revision: str) -> Commit | None:
        oid = self.branches.get(revision, revision)
        return next((commit for commit in self.commits if commit.oid == oid), None)

    def files(self, revision: str = "main") -> dict[str, bytes]:
        """What a branch, tag or commit holds."""
        commit = self.at(revision)
        assert commit is not None, f"no revision {revision}"
        return commit.files


@dataclass
class Fault:
    """What befalls the next requests whose "METHOD /path" holds `match`."""

    match: str
    times: float
    status: int | None = None  # answer with this code instead
    after: int | None = None  # cut the line after so many bytes of body, sent or received
    hang: bool = False  # accept the question and never answer
    gone: bool = False  # leave the network for good


class HubServer:
    """A Hub on localhost. `url` is for HF_ENDPOINT; `token` may write, `read_token` may only read.

    `repos` ("user/name" -> Repo) is what it holds, `requests` what it was asked: (method, path, token), and
    `addresses` the same as they came, with all that follows a question mark. The account of both tokens is
    `user`. Faults on demand: `fail_next`, `cut_after`, `hang_next`, `vanish_at`, `stop`.
    """

    user = "reader"

    def __init__(self) -> None:
        self.token, self.read_token = "hf_" + secrets.token_hex(12), "hf_" + secrets.token_hex(12)
        self.repos: dict[str, Repo] = {}
        self.lfs: dict[str, bytes] = {}
        self.requests: list[tuple[str, str, str | None]] = []
        self.addresses: list[str] = []
        self.faults: list[Fault] = []
        self.lock = threading.Lock()
        self.lines: set[socket.socket] = set()
        self.http = _Http(("127.0.0.1", 0), _Handler)
        self.http.hub = self
        self.port = self.http.server_address[1]
        self.url, self.far = f"http://127.0.0.1:{self.port}", f"http://localhost:{self.port}"
        self.released = threading.Event()

    def __enter__(self) -> "HubServer":
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def stop(self) -> None:
        """Leave the network: nobody answers at `url` any more, and open connections end."""
        self.released.set()
        self.http.shutdown()
        self.http.server_close()
        for line in list(self.lines):
            with _quietly():
                line.shutdown(socket.SHUT_RDWR)

    def environment(self, home: str | Path, token: str | None = None) -> dict[str, str]:
        """Return what a process needs to take this for the Hub; `home` keeps its cache and login."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_TOKEN": token or "",
            "HF_HUB_DISABLE_XET": "1",  # the large files' other protocol, which only the true Hub speaks
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def take_over(self, monkeypatch, home: str | Path, token: str | None = None) -> None:
        """Do the same for the process that runs the test (huggingface_hub read its environment long ago)."""
        from huggingface_hub import constants
        from huggingface_hub.utils import _http

        for name, value in self.environment(home, token).items():
            monkeypatch.setenv(name, value)
        template = self.url + "/{repo_id}/resolve/{revision}/{filename}"
        for name, value in {
            "ENDPOINT": self.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": template,
            "HF_HOME": str(home),
            "HF_HUB_CACHE": str(Path(home) / "hub"),
            "HF_TOKEN_PATH": str(Path(home) / "token"),
            "HF_HUB_DISABLE_XET": True,
        }.items():
            monkeypatch.setattr(constants, name, value)
        _http.close_session()  # a client that was made before would still go through a proxy

    def fail_next(self, status: int, match: str = "", times: float = 1) -> None:
        """Answer the next requests with an error code."""
        self.faults.append(Fault(match, times, status=status))

    def cut_after(self, count: int, match: str = "", times: float = float("inf")) -> None:
        """Cut the connection after `count` bytes of a body, sent or received; a HEAD at once."""
        self.faults.append(Fault(match, times, after=count))

    def hang_next(self, match: str = "", times: float = 1) -> None:
        """Never answer."""
        self.faults.append(Fault(match, times, hang=True))

    def vanish_at(self, match: str) -> None:
        """Leave the network when this is asked."""
        self.faults.append(Fault(match, 1, gone=True))

    def asked(self, match: str) -> int:
        """Count the requests so far whose "METHOD /path" holds `match`."""
        return sum(match in f"{method} {path}" for method, path, _ in self.requests)


class _quietly:
    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        return kind is not None and issubclass(kind, OSError)


class _Http(ThreadingHTTPServer):
    daemon_threads, block_on_close = True, False
    hub: HubServer

    def handle_error(self, *_):  # a client that hung up is no news
        pass


class _Cut(Exception):
    """The line is cut here."""


class _Refused(Exception):
    """An answer that is an error: code, what is wrong, and the Hub's own name for it."""

    def __init__(self, status: int, said: str, code: str | None = None):
        self.status, self.said, self.code = status, said, code


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http

    def setup(self):
        super().setup()
        self.server.hub.lines.add(self.connection)

    def finish(self):
        self.server.hub.lines.discard(self.connection)
        with _quietly():
            super().finish()

    def log_message(self, *_):
        pass

    def _handle(self) -> None:
        hub, parts = self.server.hub, urlsplit(self.path)
        self.route, self.query = unquote(parts.path), parse_qs(parts.query)
        bearer = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        asked = f"{self.command} {self.route}"
        with hub.lock:
            hub.requests.append((self.command, self.route, bearer))
            hub.addresses.append(self.path)
            self.fault = next((f for f in hub.faults if f.match in asked and f.times > 0), None)
            if self.fault:
                self.fault.times -= 1
        try:
            self.body = self._read()
            if self.fault and self.fault.gone:
                hub.stop()
            if hub.released.is_set():  # a line that came up just then is not answered either
                raise _Cut
            if self.fault and self.fault.hang:
                hub.released.wait(600)
                raise _Cut
            if self.fault and self.fault.status:
                raise _Refused(self.fault.status, "Sorry.")
            for method, pattern, answer in ROUTES:
                found = re.fullmatch(pattern, self.route)
                if method == self.command and found:
                    return answer(self, *found.groups())
            raise _Refused(404, f"The Hub of these tests knows no {asked}.")
        except _Refused as refused:
            headers = {"X-Error-Message": refused.said}
            if refused.code:
                headers["X-Error-Code"] = refused.code
            self._json({"error": refused.said}, refused.status, headers)
        except _Cut:
            self.close_connection = True
            with _quietly():
                self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _handle

    def _read(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            pieces = []
            while size := int(self.rfile.readline(), 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
                self._cut_if_over(sum(map(len, pieces)))
            self.rfile.readline()
            return b"".join(pieces)
        size = int(self.headers.get("Content-Length") or 0)
        if self.command in ("POST", "PUT") and self.fault and self.fault.after is not None:
            self.rfile.read(min(size, self.fault.after))
            raise _Cut
        return self.rfile.read(size)

    def _cut_if_over(self, count: int) -> None:
        if self.fault and self.fault.after is not None and count > self.fault.after:
            raise _Cut

    def _send(self, content: bytes, headers: dict[str, str], status: int = 200) -> None:
        if self.command == "HEAD" and self.fault and self.fault.after is not None:
            raise _Cut
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.fault and self.fault.after is not None and self.fault.after < len(content):
            self.wfile.write(content[: self.fault.after])
            self.wfile.flush()
            raise _Cut
        self.wfile.write(content)

    def _json(self, value, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._send(
            json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})}, status
        )

    # Who asks, and for what

    def _account(self) -> str | None:
        """'write', 'read', or None for a passer-by; a token that is none is refused."""
        hub, bearer = self.server.hub, self.headers.get("Authorization")
        if bearer is None:
            return None
        role = {f"Bearer {hub.token}": "write", f"Bearer {hub.read_token}": "read"}.get(bearer)
        if role is None:
            raise _Refused(401, "Invalid credentials in Authorization header")
        return role

    def _repo(self, name: str) -> Repo:
        repo, role = self.server.hub.repos.get(name), self._account()
        mine = role is not None and name.startswith(f"{self.server.hub.user}/")
        if repo is None or (repo.private and not mine):
            if role is None:
                raise _Refused(401, "Invalid username or password.")
            raise _Refused(404, "Repository not found", "RepoNotFound")
        return repo

    def _writable(self, name: str) -> Repo:
        repo, role = self._repo(name), self._account()
        if role is None:
            raise _Refused(401, "Invalid username or password.")
        if role != "write" or not name.startswith(f"{self.server.hub.user}/"):
            raise _Refused(403, "You don't have write access to this repo")
        return repo

    def _at(self, repo: Repo, revision: str) -> Commit:
        commit = repo.at(revision)
        if commit is None:
            raise _Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return commit

    # Accounts and repositories

    def whoami(self):
        if (role := self._account()) is None:
            raise _Refused(401, "Invalid username or password.")
        auth = {"accessToken": {"displayName": "tests", "role": role}}
        self._json({"type": "user", "name": self.server.hub.user, "orgs": [], "auth": auth})

    def create(self):
        hub, asked, role = self.server.hub, json.loads(self.body), self._account()
        if role is None:
            raise _Refused(401, "Invalid username or password.")
        owner = asked.get("organization") or hub.user
        name = f"{owner}/{asked['name']}"
        if role != "write" or owner != hub.user:
            said = f'You don\'t have the rights to create a model under the namespace "{owner}"'
            raise _Refused(403, said)
        answer = {"url": f"{hub.url}/{name}", "name": name, "id": name}
        if name in hub.repos:
            said = "You already created this model repo"
            return self._json({"error": said, **answer}, 409, {"X-Error-Message": said})
        private = asked.get("visibility") == "private" or bool(asked.get("private"))
        hub.repos[name] = Repo(private)
        self._json(answer)

    def validate(self):
        said = json.loads(self.body)["content"]
        head = re.match(r"---\n(.*?)\n---\n", said, re.S)
        try:
            data = yaml.safe_load(head[1]) if head else None
            errors = [] if isinstance(data, dict) else [{"message": "no metadata"}]
        except yaml.YAMLError as error:
            errors = [{"message": str(error)}]
        self._json({"errors": errors, "warnings": []}, 400 if errors else 200)

    def info(self, name: str, revision: str | None = None):
        repo = self._repo(name)
        commit = self._at(repo, revision or "main")
        siblings = []
        for path, data in commit.files.items():
            sibling = {"rfilename": path}
            if "blobs" in self.query:
                sibling |= {"size": len(data), "blobId": git_sha(data)}
            siblings.append(sibling)
        self._json({"id": name, "sha": commit.oid, "private": repo.private, "siblings": siblings, "tags": []})

    def tree(self, name: str, revision: str, _: str | None = None):
        files = self._at(self._repo(name), revision).files
        entries = []
        for path, data in files.items():
            entry = {"type": "file", "path": path, "size": len(data), "oid": git_sha(data)}
            if path.endswith(LARGE):
                entry["lfs"] = {
                    "oid": hashlib.sha256(data).hexdigest(),
                    "size": len(data),
                    "pointerSize": 130,
                }
            entries.append(entry)
        self._json(entries)

    def branch(self, name: str, branch: str):
        repo = self._writable(name)
        if branch in repo.branches:
            raise _Refused(409, "Reference already exists")
        start = json.loads(self.body or b"{}").get("startingPoint", "main")
        repo.branches[branch] = self._at(repo, start).oid
        self._json({})

    def refs(self, name: str):
        repo = self._repo(name)
        branches = [
            {"name": branch, "ref": f"refs/heads/{branch}", "targetCommit": oid}
            for branch, oid in repo.branches.items()
        ]
        self._json({"branches": branches, "converts": [], "tags": []})

    def unbranch(self, name: str, branch: str):
        self._writable(name).branches.pop(branch)
        self._json({})

    def tag(self, name: str, revision: str):
        repo = self._writable(name)
        repo.branches[json.loads(self.body)["tag"]] = self._at(repo, revision).oid
        self._json({})

    # Sending

    def preupload(self, name: str, revision: str):
        files = self._at(self._writable(name), revision).files
        answer = []
        for file in json.loads(self.body)["files"]:
            path, large = file["path"], file["path"].endswith(LARGE)
            one = {"path": path, "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
            if path in files:
                one["oid"] = hashlib.sha256(files[path]).hexdigest() if large else git_sha(files[path])
            answer.append(one)
        self._json({"files": answer})

    def batch(self, name: str):
        self._writable(name)
        hub, objects = self.server.hub, []
        for wanted in json.loads(self.body)["objects"]:
            one = {"oid": wanted["oid"], "size": wanted["size"]}
            if wanted["oid"] not in hub.lfs:
                where = f"/far/{wanted['oid']}"
                one["actions"] = {
                    "upload": {"href": hub.far + where},
                    "verify": {"href": f"{hub.url}/verify/{name}"},
                }
            objects.append(one)
        self._json({"transfer": "basic", "objects": objects})

    def put(self, oid: str):
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise _Refused(400, "The content has another hash.")
        self.server.hub.lfs[oid] = self.body
        self._send(b"", {})

    def verify(self, name: str):
        self._writable(name)
        wanted = json.loads(self.body)
        if len(self.server.hub.lfs.get(wanted["oid"], b"")) != wanted["size"]:
            raise _Refused(422, "The file did not arrive.")
        self._json({})

    def commit(self, name: str, revision: str):
        hub, repo = self.server.hub, self._writable(name)
        if revision not in repo.branches:
            raise _Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        lines = [json.loads(line) for line in self.body.splitlines() if line]
        header, files = lines[0]["value"], {}
        if header.get("parentCommit") not in (None, repo.branches[revision]):
            raise _Refused(412, "A commit has happened since. Please refresh and try again.")
        for line in lines[1:]:
            value, path = line["value"], line["value"]["path"]
            if line["key"] == "file":
                files[path] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                if value["oid"] not in hub.lfs:
                    raise _Refused(400, f"LFS pointer points to a file that does not exist: {path}")
                files[path] = hub.lfs[value["oid"]]
            elif line["key"] == "deletedFile":
                files[path] = None
        made = repo.commit(header["summary"], files, revision)
        url = f"{hub.url}/{name}/commit/{made.oid}"
        self._json({"success": True, "commitOid": made.oid, "commitUrl": url, "hookOutput": ""})

    # Fetching

    def resolve(self, name: str, revision: str, path: str):
        commit = self._at(self._repo(name), revision)
        headers = {"X-Repo-Commit": commit.oid}
        if path not in commit.files:
            said = "Entry not found"
            headers |= {"X-Error-Code": "EntryNotFound", "X-Error-Message": said}
            return self._json({"error": said}, 404, headers)
        data = commit.files[path]
        if not path.endswith(LARGE):
            return self._send(data, {**headers, "ETag": f'"{git_sha(data)}"'})
        oid = hashlib.sha256(data).hexdigest()
        self.server.hub.lfs[oid] = data
        headers |= {"X-Linked-Etag": f'"{oid}"', "X-Linked-Size": str(len(data))}
        self._send(b"", {**headers, "Location": f"{self.server.hub.far}/far/{oid}"}, 302)

    def far(self, oid: str):
        data, headers = self.server.hub.lfs[oid], {"ETag": f'"{oid}"', "Accept-Ranges": "bytes"}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not wanted:
            return self._send(data, headers)
        start, end = int(wanted[1]), int(wanted[2] or len(data) - 1)
        headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
        self._send(data[start : end + 1], headers, 206)


_NAME = r"([^/]+/[^/]+)"
ROUTES = (
    ("GET", "/api/whoami-v2", _Handler.whoami),
    ("POST", "/api/repos/create", _Handler.create),
    ("POST", "/api/validate-yaml", _Handler.validate),
    ("GET", f"/api/models/{_NAME}", _Handler.info),
    ("GET", f"/api/models/{_NAME}/revision/(.+)", _Handler.info),
    ("GET", f"/api/models/{_NAME}/tree/([^/]+)(/.*)?", _Handler.tree),
    ("POST", f"/api/models/{_NAME}/branch/(.+)", _Handler.branch),
    ("DELETE", f"/api/models/{_NAME}/branch/(.+)", _Handler.unbranch),
    ("GET", f"/api/models/{_NAME}/refs", _Handler.refs),
    ("POST", f"/api/models/{_NAME}/tag/(.+)", _Handler.tag),
    ("POST", f"/api/models/{_NAME}/preupload/(.+)", _Handler.preupload),
    ("POST", f"/api/models/{_NAME}/commit/(.+)", _Handler.commit),
    ("POST", rf"/{_NAME}\.git/info/lfs/objects/batch", _Handler.batch),
    ("POST", f"/verify/{_NAME}", _Handler.verify),
    ("PUT", "/far/(.+)", _Handler.put),
    ("GET", "/far/(.+)", _Handler.far),
    ("HEAD", "/far/(.+)", _Handler.far),
    ("GET", f"/{_NAME}/resolve/([^/]+)/(.+)", _Handler.resolve),
    ("HEAD", f"/{_NAME}/resolve/([^/]+)/(.+)", _Handler.resolve),
)
