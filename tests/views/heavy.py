"""``python -m tests.views.heavy <instance> <database> <folder>``: uploads every file of the folder as an administrator
and writes, a line of JSON each, its name, the status, and the most memory the process held meanwhile, in MB.

A process of its own, because pytest's own memory would hide what a request takes. Linux: the peak is set back by
clear_refs (proc(5)).
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import config as settings
from run import create_app
from tests.world import NOW, PASSWORD

STATUS = Path("/proc/self/status")


def peak() -> float:
    return next(int(line.split()[1]) / 1024 for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))


def forget() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def main(instance: str, url: str, folder: str) -> None:
    app = create_app(settings.read({}, instance=Path(instance), database_url=url), clock=lambda: NOW)
    client = app.test_client()

    def token(page: str) -> str:
        found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(page).get_data(as_text=True))
        assert found is not None
        return found.group(1)

    told = {"username": "admin", "password": PASSWORD}
    assert client.post("/login/", data={"csrf_token": token("/login/"), **told}).status_code == 302
    for path in sorted(Path(folder).iterdir()):
        sent = {"csrf_token": token("/import/regions")}
        forget()
        with path.open("rb") as stream:
            given = {**sent, "file": (stream, path.name)}
            answer = client.post("/import/regions", data=given, content_type="multipart/form-data")
        print(json.dumps([path.name, answer.status_code, round(peak(), 1)]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
