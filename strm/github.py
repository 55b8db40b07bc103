"""Put a few text files on a branch of a GitHub repository, through GitHub's REST API. No git is needed."""

import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from strm.card import SOURCE
from strm.files import UserError

SECONDS = 30  # of silence
ADVICE = {
    401: "GitHub does not know this GITHUB_TOKEN: make a new one, and replace the secret",
    403: "GITHUB_TOKEN may not write there: give it the permission 'Contents: Read and write'",
    404: "GitHub shows GITHUB_TOKEN no such repository: fork the book or name your fork in GITHUB_REPO "
    "(owner/name), and let the token write to it",
    409: "The repository is empty: fork the book, or name your fork in GITHUB_REPO (owner/name)",
}


class GitHub:
    """A repository of GitHub as one token sees it: `repo`, or the fork of the book that its account has.

    Every method raises UserError, one sentence, for what GitHub refuses and where it cannot be reached.
    """

    def __init__(self, token: str, repo: str | None = None):
        self._token, self._repo = token, repo
        self.address = os.environ.get("GITHUB_API_URL", "https://api.github.com").rstrip("/")

    def ask(self, method: str, path: str, body: dict | None = None, absent: bool = False) -> Any:
        """Send one request and return the JSON that comes back; None where `absent` lets it be missing."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Accept": "application/vnd.github+json", "User-Agent": "strm"}
        try:
            request = urllib.request.Request(self.address + path, data, headers, method=method)
            # An ordinary header would follow a redirection, to another host even.
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code == 404 and absent:
                return None
            advice = ADVICE.get(error.code, f"GitHub refuses ({error.code} {error.reason}): try again later")
            raise UserError(f"{advice}.") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or type(error).__name__
            raise UserError(f"GitHub cannot be reached ({reason}): try again later.") from None

    def home(self) -> dict[str, Any]:
        """Return what GitHub says of the repository."""
        return self.ask("GET", f"/repos/{self._repo or self._fork()}")

    def _fork(self) -> str:
        return f"{self.ask('GET', '/user')['login']}/{SOURCE.rpartition('/')[2]}"

    def push(self, files: Mapping[str, str], branch: str, message: str) -> str:
        """Commit texts, by their paths, on a branch, and return its address.

        A branch that is not there begins at the default one. Nothing shows before the commit is whole.
        """
        home = self.home()
        at = f"/repos/{home['full_name']}/git"  # what was renamed answers to its old name, but takes nothing
        known = self.ask("GET", f"{at}/ref/heads/{branch}", absent=True)
        tip = known or self.ask("GET", f"{at}/ref/heads/{home['default_branch']}")
        before = self.ask("GET", f"{at}/commits/{tip['object']['sha']}")
        texts = [{"path": path, "mode": "100644", "type": "blob", "content": files[path]} for path in files]
        tree = self.ask("POST", f"{at}/trees", {"base_tree": before["tree"]["sha"], "tree": texts})
        commit = {"message": message, "tree": tree["sha"], "parents": [before["sha"]]}
        made = self.ask("POST", f"{at}/commits", commit)
        if known:
            self.ask("PATCH", f"{at}/refs/heads/{branch}", {"sha": made["sha"]})
        else:
            self.ask("POST", f"{at}/refs", {"ref": f"refs/heads/{branch}", "sha": made["sha"]})
        return f"{home['html_url']}/tree/{branch}"
