"""The duration of `run -- true` by an ordinary user."""

import shutil

from ringway_tools.bench.measure import LOWER, Case, Measure, Metric
from ringway_tools.failure import Failure

WALL = Metric("wall", "wall time", "ms", LOWER, 1)

# The shell's clock stands between nothing but the start and the end of the program.
SCRIPT = 'before=$EPOCHREALTIME; "$@" >/dev/null 2>&1 </dev/null; status=$?; after=$EPOCHREALTIME; ' \
    'echo $status ${before/[.,]/} ${after/[.,]/}'


def run_true(scene, peer, _):
    command = peer.command(["true"])
    if peer.name == "ringway":
        command = [public_copy(scene, peer.path), *command[1:]]
    text = scene.bed.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", "-C", "/", "timeout", "10", "bash", "-c",
         SCRIPT, "bash", *command], scene.host, seconds=15)
    status, before, after = map(int, text.split())
    if status != 0:
        raise Failure(f"the command ended with status {status}")
    return {"wall": (after - before) / 1000}


def public_copy(scene, path):
    """The user may not be allowed to enter the folder in which the program was built."""
    copy = scene.bed.directory / "ringway"
    if not copy.exists():
        shutil.copyfile(path, copy)
        copy.chmod(0o755)
    return copy


START = Measure(
    "start", "Start-up",
    "Wall time of `ringway run -- true` and of `pasta --config-net -- true`, by a user without privileges. slirp4netns "
    "runs no command of its own.",
    (Case("true", "run -- true", (WALL,), run_true, needs_link=False, rounds=30, rounds_quick=10,
          absence=lambda peer: None if peer.runs else "runs no command"),))
