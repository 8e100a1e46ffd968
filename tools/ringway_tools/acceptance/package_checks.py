"""Checks of the packages outside a Debian root: contents, pages, image, installation by hand."""

import os
import shutil
import subprocess

from ringway_tools.acceptance import debian_root
from ringway_tools.acceptance.container_engine import Engine
from ringway_tools.acceptance.package_cases import expect
from ringway_tools.failure import Failure
from ringway_tools.paths import TOOLS

# Bytes of a stripped program.
LIMITS = {"ringway": 20 * 1000 * 1000, "ringway-agent": 8 * 1000 * 1000}
# The libraries that ringway may need.
LIBRARIES = {
    "libc.so.6", "libm.so.6", "libgcc_s.so.1", "libseccomp.so.2", "libstdc++.so.6", "ld-linux-x86-64.so.2",
    "ld-linux-aarch64.so.1",
}


def command(arguments, **environment):
    result = subprocess.run(
        list(map(str, arguments)), capture_output=True, text=True, check=False, env={**os.environ, **environment})
    if result.returncode != 0:
        raise Failure(f"{arguments[0]}: {(result.stdout + result.stderr).strip()[-300:]}")
    return result.stdout


def build(binaries, output, suffix=None):
    options = ["--version-suffix", suffix] if suffix else []
    command([TOOLS / "package", "--binaries", binaries, "--output", output, *options])
    return sorted(output.glob("*.deb"))


def contents(binaries):
    sizes = []
    for name, limit in LIMITS.items():
        size = (binaries / name).stat().st_size
        needed = {line.split("[")[1].rstrip("]\n") for line in command(
            ["readelf", "-d", binaries / name]).splitlines() if "(NEEDED)" in line}
        allowed = LIBRARIES if name == "ringway" else set()
        expect(needed <= allowed, f"{name} needs {' '.join(sorted(needed - allowed))}")
        expect(size <= limit, f"{name} has {size / 1e6:.1f} MB, more than {limit / 1e6:g}")
        sizes.append(f"{name} {size / 1e6:.1f} MB")
    return ", ".join(sizes)


def reproducible(binaries, first, directory):
    second = build(binaries, directory)
    for one, other in zip(first, second):
        expect(one.read_bytes() == other.read_bytes(), f"{one.name} differs")
    return "built twice, equal"


def lint(packages):
    result = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error", *map(str, packages)], capture_output=True, text=True,
        check=False)
    findings = [line for line in result.stdout.splitlines() if line[:2] in ("E:", "W:")]
    expect(result.returncode == 0 and not findings, "; ".join(findings)[:300] or result.stderr[-200:])
    return "no error, no warning"


def manual(binaries, directory):
    command([TOOLS / "packaging/manual-pages", "--ringway", binaries / "ringway", "--agent", binaries / "ringway-agent",
             directory])
    pages = sorted(directory.iterdir())
    for page in pages:
        result = subprocess.run(
            ["man", "--warnings", "--local-file", str(page)], capture_output=True, text=True, check=False,
            env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8"})
        expect(result.returncode == 0 and not result.stderr, f"man {page.name}: {result.stderr[:200]}")
        expect(result.stdout.strip(), f"man {page.name} is empty")
        said = subprocess.run(["mandoc", "-T", "lint", str(page)], capture_output=True, text=True, check=False).stdout
        expect(not said, f"mandoc: {said[:200]}")
    return f"{len(pages)} pages, man and mandoc have nothing to say"


def completions(binaries, directory):
    said = []
    for shell, check in {"bash": ["bash", "-n"], "zsh": ["zsh", "-n"], "fish": ["fish", "--no-execute"]}.items():
        file = directory / f"completion.{shell}"
        file.write_text(command([binaries / "ringway", "--generate-completion-script", shell]))
        if shutil.which(shell):
            command([*check, file])
            said.append(shell)
        else:
            said.append(f"{shell} not present")
    return ", ".join(said)


def image(bed, packages):
    """The container image: built from the packages by a Docker engine that reaches nothing, and used."""
    context = bed.directory / "image"
    context.mkdir()
    for package in packages:
        shutil.copy(package, context)
    root = bed.directory / "base"
    debian_root.bootstrap(root, "bookworm", ["curl"])
    namespace = bed.namespace("engine")
    with Engine(bed, namespace, "127.0.0.1", "127.0.0.1:5000") as engine:
        base = bed.directory / "base.tar"
        command(["tar", "-C", root, "-cf", base, "--exclude=./dev/*", "--exclude=./var/cache/apt", "."])
        shutil.rmtree(root)
        engine.docker("import", base, "debian:bookworm-slim")
        engine.docker("build", "--tag", "ringway", "--file", TOOLS / "packaging/Dockerfile", context, seconds=300)
        version = engine.docker("run", "--rm", "ringway", "--version").strip()
        options = ["run", "--rm", "--device", "/dev/net/tun", "--cap-add", "NET_ADMIN", "--cap-add", "SYS_ADMIN"]
        said = engine.docker(*options, "ringway", "run", "--", "sh", "-c", "ls /sys/class/net; echo done")
        expect("done" in said, f"run: {said[:200]}")
        report = engine.docker(*options, "--entrypoint", "sh", "ringway", "-c", "ringway doctor || true")
        reactor = next((line.split()[2] for line in report.splitlines() if line.split()[1:2] == ["reactor"]), "unknown")
    return f"{version}; run works in a container; reactor {reactor}"


def by_hand(binaries, directory):
    """tools/install into a folder, and the files that remain after --uninstall."""
    environment = {"DESTDIR": str(directory), "PREFIX": "/usr/local"}
    command([TOOLS / "install", "--binaries", binaries], **environment)
    installed = [path for path in directory.rglob("*") if path.is_file()]
    expect((directory / "usr/local/bin/ringway").exists(), "ringway is not in PREFIX/bin")
    unit = (directory / "usr/local/lib/systemd/system/ringway-serve@.service").read_text()
    expect("ExecStart=/usr/local/bin/ringway " in unit and "@PREFIX@" not in unit and "@SYSCONFDIR@" not in unit,
           "the unit names another place")
    command([TOOLS / "install", "--uninstall"], **environment)
    left = [str(path.relative_to(directory)) for path in directory.rglob("*") if not path.is_dir()]
    expect(not left, f"left: {' '.join(left)[:200]}")
    return f"{len(installed)} files, none left"
