"""Stands in for podman and docker where there is no engine: the same command line, carried out with bubblewrap.

It knows the options that `grader.sandbox.container` uses and refuses every other one, so that a misspelt option fails.
What it cannot do (memory, tasks, inodes) it leaves out: no test relies on it. The folder in ``STAND_IN_STATE`` tells it
which images exist (files in ``images/``) and whether the service is down (a file ``down``), whether it fails to make
containers (``broken``) or to start what is in them (``unstartable``), kills for want of memory (``oom``) or cannot
remove (``stuck``). Calls are noted in ``log``.
"""

import argparse
import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

STATE = Path(os.environ["STAND_IN_STATE"])
SWITCHES = ("--read-only", "--read-only-tmpfs=false", "--http-proxy=false")
VALUES = ("--network", "--ipc", "--hostname", "--user", "--memory", "--memory-swap", "--pids-limit", "--shm-size")
VALUES += ("--log-driver", "--pull", "--gpus", "--name", "--cap-drop")
LISTS = ("--tmpfs", "--mount", "--security-opt", "--ulimit", "--device")


def run(arguments):
    """Run a container in bubblewrap and return its exit status."""
    if (STATE / "broken").exists():
        print("stand-in: cannot make a container", file=sys.stderr)
        return 125
    if (STATE / "unstartable").exists():
        print("stand-in: cannot start the command", file=sys.stderr)
        return 126
    parser = argparse.ArgumentParser(allow_abbrev=False, exit_on_error=False)
    for switch in SWITCHES:
        parser.add_argument(switch, action="store_true")
    for option in VALUES:
        parser.add_argument(option)
    for option in LISTS:
        parser.add_argument(option, action="append", default=[])
    parser.add_argument("image")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)
    user, group = options.user.split(":")
    size = next(part for part in options.tmpfs[0].split(",") if part.startswith("size=")).removeprefix("size=")
    command = ["bwrap", "--unshare-all", "--unshare-user", "--uid", user, "--gid", group, "--new-session"]
    command += ["--proc", "/proc", "--dev", "/dev", "--size", options.shm_size, "--tmpfs", "/dev/shm"]
    command += ["--size", size, "--tmpfs", "/tmp"]
    for folder in map(Path, ("/usr", "/bin", "/sbin", "/lib", "/lib64", sys.prefix, sys.base_prefix)):
        if folder.is_symlink():
            command += ["--symlink", str(folder.readlink()), str(folder)]
        else:
            command += ["--ro-bind-try", str(folder), str(folder)]
    for mount in options.mount:
        [fields] = csv.reader([mount])
        named = dict(field.partition("=")[::2] for field in fields)
        assert named["type"] == "bind"
        assert "readonly" in named
        command += ["--ro-bind", named["source"], named["target"]]
    python = f"PATH={Path(sys.executable).parent}"  # where the image has its own
    inside = [part.replace("PATH=/usr/local/bin", python) for part in options.command]
    process = subprocess.Popen([*command, "--", *inside])
    (STATE / "containers" / options.name).write_text(str(process.pid))
    status = process.wait()
    return 128 - status if status < 0 else status


def kill(name):
    """Kill a container; 1 where there is none."""
    container = STATE / "containers" / name
    if not container.exists():
        return 1
    try:
        family = Path(f"/proc/{container.read_text()}/task/{container.read_text()}/children").read_text().split()
        for pid in (*family, container.read_text()):
            os.kill(int(pid), signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        return 1
    return 0


def main(arguments):
    """Carry out one command of an engine."""
    (STATE / "containers").mkdir(exist_ok=True)
    with open(STATE / "log", "a") as log:
        log.write(" ".join(arguments[:2]) + "\n")
    match arguments:
        case ["version"]:
            print("stand-in: the service is down" if (STATE / "down").exists() else "1", file=sys.stderr)
            return int((STATE / "down").exists())
        case ["image", "inspect", name]:
            return int(not (STATE / "images" / name).exists())
        case ["run", *rest]:
            return run(rest)
        case ["kill", "--signal", "KILL", name]:
            return kill(name)
        case ["container", "inspect", "--format", "{{.State.OOMKilled}}", name]:
            print(str((STATE / "oom").exists()).lower())
            return int(not (STATE / "containers" / name).exists())
        case ["rm", "--force", name]:
            if (STATE / "stuck").exists():
                print("stand-in: the container is stuck", file=sys.stderr)
                return 1
            kill(name)
            (STATE / "containers" / name).unlink()
            return 0
    print(f"stand-in: unknown command {arguments}", file=sys.stderr)
    return 64


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
