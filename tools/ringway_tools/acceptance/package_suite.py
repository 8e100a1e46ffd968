"""Packages judged where they are installed."""

import pathlib

from ringway_tools.acceptance import debian_root, package_cases, package_checks, transfers
from ringway_tools.acceptance.package_checks import build, command
from ringway_tools.acceptance.suite import Suite
from ringway_tools.failure import Failure
from ringway_tools.paths import PERF, ROOT, TOOLS
from ringway_tools.testbed.bed import Bed

OUTSIDE = ["contents", "reproducible", "lintian", "pages", "completions", "newer", "image", "by-hand"]


class PackageSuite(Suite):
    name = "package"
    summary = "the packages, in a clean Debian: installed, used, upgraded, removed"
    description = """Packages judged where they are installed: PASS or FAIL for each case.

Builds the packages (or takes the programs of --binaries), looks at what is in them, installs them in a clean Debian that
debootstrap makes, where systemd is the first process of a namespace, uses, upgrades, removes and purges them, builds the
container image, and tries tools/install. Needs root, and apt's mirror of Debian (or RINGWAY_DEBIAN_MIRROR). Everything
happens in namespaces of its own and in a temporary directory, which are gone at the end.
"""
    title = "Acceptance of the packages"
    page = PERF / "acceptance-package.md"
    setting = "where"
    needs = (
        "ip=iproute2", "ss=iproute2", "sysctl=procps", "nginx=nginx-light", "unshare=util-linux",
        "debootstrap=debootstrap", "lintian=lintian", "mandoc=mandoc", "man=man-db", "dockerd=docker.io",
        "docker-init=docker.io", "dh=debhelper", "fakeroot=fakeroot", "readelf=binutils", "cmark-gfm=cmark-gfm",
    )
    needs_binary = False

    @property
    def epilog(self):
        return f"cases\n  {', '.join(self.cases())}\n"

    def cases(self):
        return [*OUTSIDE, *package_cases.CASES]

    def add_options(self, parser):
        parser.add_argument("--binaries", type=pathlib.Path, metavar="DIRECTORY",
                            help="programs that are built already (default: tools/packaging/build builds them)")

    def judge(self, arguments, report):
        binaries = arguments.binaries
        if not binaries:
            binaries = ROOT / f".build/static-{command(['dpkg', '--print-architecture']).strip()}"
            command([TOOLS / "packaging/build", binaries])
        binaries = binaries.resolve()
        with Bed() as bed:
            directory = bed.directory
            packages = {
                "first": build(binaries, directory / "first"), "second": build(binaries, directory / "second", "1")}
            outside = {
                "contents": lambda: package_checks.contents(binaries),
                "reproducible": lambda: package_checks.reproducible(binaries, packages["first"], directory / "again"),
                "lintian": lambda: package_checks.lint(packages["first"]),
                "pages": lambda: package_checks.manual(binaries, directory / "man"),
                "completions": lambda: package_checks.completions(binaries, directory),
                "by-hand": lambda: package_checks.by_hand(binaries, directory / "by-hand"),
                "newer": lambda: package_cases.newer_debian(bed, packages["first"], "trixie"),
                "image": lambda: package_checks.image(bed, packages["first"]),
            }
            for name, action in outside.items():
                if self.wants(arguments, name):
                    report.judge(name, "Debian 13" if name == "newer" else "here", action)
            if not arguments.cases or set(arguments.cases) & set(package_cases.CASES):
                web = transfers.WebServer(bed, transfers.MEBIBYTE)
                self.judge_in_a_root(arguments, report, bed, packages, web)

    def judge_in_a_root(self, arguments, report, bed, packages, web):
        root = debian_root.Root(bed, bed.directory / "root")
        try:
            debian_root.bootstrap(root.path, "bookworm", debian_root.EXTRAS)
            root.boot()
        except Failure as failure:
            report.add("boot", "Debian 12", "FAIL", str(failure), 0)
            root.close()
            return
        try:
            report.add("boot", "Debian 12", "PASS", "systemd is the first process", 0)
            scene = package_cases.Scene(bed, root, packages, web, TOOLS)
            for name, action in package_cases.CASES.items():
                if self.wants(arguments, name) or name == "install":
                    report.judge(name, "Debian 12", lambda: action(scene))
        finally:
            root.close()
