"""Programs of this machine for the guest, with the libraries they need."""

import os
import pathlib
import shutil
import subprocess

from ringway_tools.failure import UsageError


def located(name):
    """The path of a program that is named as in a shell."""
    path = shutil.which(name) if "/" not in name else name
    if not path or not os.path.isfile(path):
        raise UsageError(f"there is no program \"{name}\" on this machine")
    return pathlib.Path(path)


def libraries(program):
    """The libraries of a program and its loader, by the paths under which they are looked for; none when static."""
    result = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False)
    paths = set()
    for line in result.stdout.splitlines():
        if "not found" in line:
            raise UsageError(f"{program} needs {line.split()[0]}, which is not on this machine")
        paths.update(word for word in line.split() if word.startswith("/"))
    return sorted(paths)


def is_static(program):
    return not libraries(program)
