"""A hub on this machine: as much of the API of the Hugging Face Hub as losses use, over HTTP."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

Files = dict[str, bytes]


@dataclass
class Repository:
    """A repository: commits, and which of them branches and tags name."""

    commits: dict[str, Files] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    gated: bool = False
    private: bool = False

    def commit(self, files: Files, ref: str = "main") -> str:
        before = self.commits.get(self.refs.get(ref, ""), {})
        state = {**before, **files}
        text = repr((len(self.commits), sorted(state.items())))
        name = hashlib.sha1(text.encode()).hexdigest()
        self.commits[name] = state
        self.refs[ref] = name
        return name

    def find(self, revision: str) -> str | None:
        name = self.refs.get(revision, revision)
        return name if name in self.commits else None


@dataclass
class Hub:
    """The state of a hub, and what it was asked for."""

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    """Sizes that are said in the place of the real ones, by file."""

    def add(self, name: str, files: Files) -> Repository:
        self.repositories[name] = Repository()
        self.repositories[name].commit(files)
        return self.repositories[name]

    def fetched(self) -> list[str]:
        """The files that were fetched since this was last asked."""
        found = [
            path.rpartition("/")[2] for path in self.asked if path.startswith("GET") and "/resolve/" in path
        ]
        self.asked.clear()
        return found


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the terminal quiet."""

    def do_HEAD(self) -> None:
        self._get()

    def do_GET(self) -> None:
        self._get()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self._path()
        if self.headers.get("Authorization") != "Bearer hf_good":
            self._refuse(401, None, "Invalid username or password.")
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            there = name in self.hub.repositories
            if not there:
                repository = self.hub.add(name, {".gitattributes": b"*.bin filter=lfs\n"})
                repository.private = "private" in (
                    asked.get("visibility"),
                    *(["private"] * bool(asked.get("private"))),
                )
            self._json({"url": f"{self.hub.url}/{name}", "name": name}, 409 if there else 200)
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/(preupload|commit|branch)/(.+)", path):
            self._change(self.hub.repositories[found[1]], found[1], found[2], found[3], body)
        else:
            self._refuse(404, None, "no such page")

    def _change(self, repository: Repository, name: str, what: str, revision: str, body: bytes) -> None:
        if what == "preupload":
            files = [{"path": file["path"]} for file in json.loads(body)["files"]]
            self._json(
                {"files": [{**file, "uploadMode": "regular", "shouldIgnore": False} for file in files]}
            )
        elif what == "branch":
            repository.refs.setdefault(revision, repository.refs["main"])
            self._json({})
        else:
            lines = [json.loads(line) for line in body.splitlines()]
            (head,) = (line["value"] for line in lines if line["key"] == "header")
            if head.get("parentCommit") not in (None, repository.refs[revision]):
                self._refuse(412, None, "A commit has happened since.")
                return
            files = {
                line["value"]["path"]: base64.b64decode(line["value"]["content"])
                for line in lines
                if line["key"] == "file"
            }
            commit = repository.commit(files, revision)
            self._json({"commitUrl": f"{self.hub.url}/{name}/commit/{commit}", "commitOid": commit})

    def _path(self) -> str:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        return path

    def _get(self) -> None:
        path = self._path()
        info = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path)
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/(.+)/([^/]+)", path)
        found = info or file
        if found is None or found[1] not in self.hub.repositories:
            self._refuse(401, "RepoNotFound", "Repository not found")
            return
        repository = self.hub.repositories[found[1]]
        if repository.gated:
            self._refuse(403, "GatedRepo", "Access is restricted")
            return
        commit = repository.find(found[2] or "main")
        if commit is None:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {found[2]}")
            return
        files = repository.commits[commit]
        if info is not None:
            siblings = [
                {"rfilename": name, "size": self.hub.sizes.get(name, len(content)), "blobId": "0" * 40}
                for name, content in files.items()
            ]
            self._json({"id": found[1], "modelId": found[1], "sha": commit, "siblings": siblings})
        elif found[3] not in files:
            self._refuse(404, "EntryNotFound", "Entry not found")
        else:
            content = files[found[3]]
            headers = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": commit}
            self._send(200, content, headers)

    def _json(self, value: object, status: int = 200) -> None:
        self._send(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _refuse(self, status: int, code: str | None, text: str) -> None:
        headers = {"X-Error-Message": text} | ({} if code is None else {"X-Error-Code": code})
        self._send(status, json.dumps({"error": text}).encode(), headers)

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@contextmanager
def running_hub() -> Iterator[Hub]:
    """A hub that answers on the loopback address until the end of the block."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
