"""Takes a submission through Codabench's own compute worker, with bubblewrap for its container engine.

    python codabench_real_worker.py CHECKOUT BUNDLE SUBMISSION FOLDER PYTHON

is a program for the Python of a checkout; the containers have the environment of PYTHON. What the worker would tell
the site, it prints as one line of JSON. The socket of a daemon, if there is one, lies in FOLDER/data.
"""

import asyncio
import json
import os
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import docker
import requests
import websockets
import yaml
from codabench_worker import PARTS, in_container  # the folder of this program is where Python looks first

NAMES = ("prediction", "scoring")
STEP_SECONDS = 240
TOLD = {"statuses": [], "scores": None}


class Engine:
    """Stands for docker: containers are processes in bubblewrap, with the binds that the worker asks for."""

    def __init__(self, python):
        self._python, self._made = Path(python), []

    def pull(self, *_, **__):
        """Pull nothing: the environment is there."""
        return iter(())

    def create_host_config(self, **options):
        """Keep what the worker asks for."""
        return options

    def create_container(self, image, host_config, command, environment, network_disabled, **_):
        """Make a container's command line."""
        assert network_disabled, "the worker's .env switches the network off"
        mounts = {
            bind["bind"].removeprefix("/app/"): (Path(path), bind.get("mode") != "ro")
            for path, bind in host_config["binds"].items()
        }
        command = [*in_container(self._python, mounts, tuple(environment)), *shlex.split(command)]
        self._made.append({"command": command, "process": None, "said": None})
        return {"Id": str(len(self._made) - 1)}

    def _of(self, container):
        return self._made[int(container["Id"] if isinstance(container, dict) else container)]

    def start(self, container):
        """Start it."""
        made = self._of(container)
        made["process"] = subprocess.Popen(made["command"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def attach(self, container, stream=False, **_):
        """Return what it printed, once it has ended."""
        made = self._of(container)
        if made["said"] is None:
            made["said"] = made["process"].communicate()
        return iter([made["said"]]) if stream else made["said"]

    def inspect_container(self, container):
        """Say whether it runs."""
        return {"State": {"Status": "running" if self._of(container)["process"].poll() is None else "exited"}}

    def wait(self, container):
        """Return how it ended."""
        return {"StatusCode": self._of(container)["process"].wait()}

    def remove_container(self, container, **_):
        """Do nothing: nothing is left of it."""


class Socket:
    """Stands for the site's websocket."""

    async def send(self, _):
        """Take what is printed."""
        await asyncio.sleep(0)

    async def close(self):
        """Hang up."""
        await asyncio.sleep(0)


class Site(requests.Session):
    """Stands for the site and its storage: remembers what it is told, keeps files where their address says."""

    def _ok(self):
        answer = requests.Response()
        answer.status_code = 200
        return answer

    def patch(self, url, data=None, **_):
        """Take a status."""
        if "status" in data:
            TOLD["statuses"].append(data["status"])
        return self._ok()

    def post(self, url, json=None, **_):
        """Take the scores."""
        TOLD["scores"] = json["scores"]
        return self._ok()

    def put(self, url, data=None, **_):
        """Keep a file."""
        raw = data if isinstance(data, bytes) else data.read()
        Path(url.removeprefix("file://")).write_bytes(raw)
        return self._ok()


def zipped(folder, target):
    """Zip a folder, as the site does with the parts of a bundle; return the address of the file."""
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return f"file://{target}"


def arguments(bundle, submission, folder, scoring):
    """Return what the site sends to the worker for one of the two steps."""
    [task] = yaml.safe_load((bundle / "competition.yaml").read_text())["tasks"]
    address = {part: zipped(bundle / task[part], folder / f"{part}.zip") for part in PARTS if part in task}
    step = NAMES[scoring]
    made = {
        "user_pk": 1,
        "id": 1,
        "secret": "secret",
        "submissions_api_url": "http://site.example/api",
        "docker_image": "name:1",
        "execution_time_limit": STEP_SECONDS,
        "is_scoring": scoring,
        "prediction_result": f"file://{folder}/prediction.zip",
        "ingestion_only_during_scoring": False,
        "program_data": address["scoring_program"] if scoring else f"file://{submission}",
        **{f"{step}_{name}": f"file://{folder}/{step}_{name}.txt" for name in ("stdout", "stderr")},
        **{f"{step}_ingestion_{name}": f"file://{folder}/{step}_ingestion_{name}.txt" for name in ("stdout", "stderr")},
    }
    if scoring:  # with an address of a page, the first step would wait for one until its time is over
        made |= {"scoring_result": f"file://{folder}/scoring.zip", "detailed_results_url": f"file://{folder}/page.html"}
    wanted = ("reference_data",) if scoring else ("ingestion_program", "input_data")
    return made | {part: address[part] for part in wanted if part in address}


def main(checkout, bundle, submission, folder, python):
    """Run both steps and print what the site was told."""
    folder = Path(folder).absolute()
    os.environ |= {"HOST_DIRECTORY": f"{folder}/host/", "COMPETITION_CONTAINER_NETWORK_DISABLED": "True"}
    docker.APIClient = lambda **_: Engine(python)

    async def connect(_):
        return Socket()

    websockets.connect = connect
    requests.Session = Site
    sys.path[:0] = [f"{checkout}/compute_worker", f"{checkout}/src/settings"]
    import compute_worker

    compute_worker.BASE_DIR = f"{folder}/host/"
    compute_worker.CACHE_DIR = f"{folder}/host/cache"
    (folder / "host" / "cache").mkdir(parents=True, exist_ok=True)
    (folder / "host" / "data").mkdir(exist_ok=True)
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(folder / "bundle")
    for scoring in (False, True):
        compute_worker.run_wrapper(arguments(folder / "bundle", submission, folder, scoring))
    page = folder / "page.html"
    print(json.dumps(TOLD | {"page": page.read_text() if page.exists() else ""}))


if __name__ == "__main__":
    main(*sys.argv[1:])
