"""The lab's registry: Debian's docker-registry, which every machine asks first, whatever registry an image names.

So images that are pulled really are pulled, though there is no network. Images of all registries share one storage:
`nginx` and `ghcr.io/library/nginx` are the same there.
"""

import http.client
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from lab import archives
from lab.cgroups import Hierarchy, create, destroy, members
from lab.errors import LabError
from lab.references import parse_reference

PORT = 5000
_START_SECONDS = 10.0

_CONFIG = """\
version: 0.1
log:
  level: warn
storage:
  filesystem:
    rootdirectory: {storage}
  delete:
    enabled: true
http:
  addr: {address}:{port}
"""


class Registry:
    """A registry that listens on the lab's own gateway address and keeps its images in `folder`."""

    def __init__(self, folder: Path, address: str, trees: Sequence[Hierarchy], cgroup: str) -> None:
        self.folder = folder
        self.url = f"http://{address}:{PORT}"
        self._address = address
        self._trees = trees
        self._cgroup = cgroup

    def start(self) -> None:
        """Start it when it does not run, without waiting. LabError when Debian's package is not installed."""
        if self.runs():
            return
        if shutil.which("docker-registry") is None:
            raise LabError("docker-registry is not installed: apt-get install docker-registry")
        self.folder.mkdir(exist_ok=True)
        config = self.folder / "config.yml"
        config.write_text(_CONFIG.format(storage=self.folder / "storage", address=self._address, port=PORT))
        create(self._trees, self._cgroup)
        files = shlex.join(f"{tree.mount_point}/{self._cgroup}/cgroup.procs" for tree in self._trees)
        # in the background of a shell that ends at once: it must outlive us, and be nobody's child
        script = f'for file in {files}; do echo $$ >"$file"; done; exec setsid docker-registry serve "$1" &'
        with (self.folder / "registry.log").open("ab") as log:
            subprocess.run(
                ["sh", "-c", script, "sh", str(config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True,
                cwd="/", env={"PATH": os.environ.get("PATH", os.defpath)},
            )  # fmt: skip

    def wait(self) -> None:
        """Return when it answers. LabError with its log's name when it does not."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                if self._request("GET", "/v2/").status == 200:
                    return
            except OSError:
                pass
            if time.monotonic() > deadline or not self.runs():
                raise LabError(f"the lab's registry does not answer on {self.url}; see {self.folder / 'registry.log'}")
            time.sleep(0.02)

    def stop(self) -> None:
        destroy(self._trees, self._cgroup)

    def runs(self) -> bool:
        return bool(members(self._trees, self._cgroup))

    def load(self, path: Path) -> list[str]:
        """Push every named image of an archive; return the names. What is there already is not sent again."""
        names: list[str] = []
        with archives.opened(path) as archive:
            for name, manifest in archive.images.items():
                reference = parse_reference(name)
                self._push(archive, reference.repository, manifest, reference.version)
                names.append(str(reference))
        return names

    def _push(self, archive: archives.Archive, repository: str, manifest: archives.Manifest, version: str) -> None:
        where = f"/v2/{repository}/manifests/{version}"
        there = self._request("HEAD", where, headers={"Accept": manifest.media_type})
        if there.status == 200 and there.getheader("Docker-Content-Digest") == manifest.digest:
            return
        for inner in manifest.manifests:
            self._push(archive, repository, inner, inner.digest)
        for digest in manifest.blobs:
            self._push_blob(archive, repository, digest)
        answer = self._request("PUT", where, manifest.body, {"Content-Type": manifest.media_type})
        _expect(answer, 201, f"{repository}:{version}")

    def _push_blob(self, archive: archives.Archive, repository: str, digest: str) -> None:
        if self._request("HEAD", f"/v2/{repository}/blobs/{digest}").status == 200:
            return
        begun = self._request("POST", f"/v2/{repository}/blobs/uploads/")
        _expect(begun, 202, repository)
        upload = urlsplit(begun.getheader("Location") or "")
        query = f"{upload.query}&" if upload.query else ""
        target = f"{upload.path}?{query}{urlencode({'digest': digest})}"
        body = archive.blob(digest)
        _expect(self._request("PUT", target, body, {"Content-Type": "application/octet-stream"}), 201, digest)

    def _request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(self._address, PORT, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            response.read()
        except http.client.HTTPException as error:
            raise LabError(f"the lab's registry: {error}") from error
        finally:
            connection.close()
        return response


def _expect(response: http.client.HTTPResponse, status: int, subject: str) -> None:
    if response.status != status:
        raise LabError(f"the lab's registry refuses {subject}: {response.status} {response.reason}")
