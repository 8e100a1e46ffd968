"""The common part of the suites of tools/acceptance: options, checks, the report and the exit status."""

import sys

from ringway_tools.acceptance.report import Report
from ringway_tools.command import BUILDS, Command, add_ringway_option, add_write_option
from ringway_tools.failure import Failure

EXIT_STATUS = """
exit status
  0 when every case passes, 1 when one fails, 2 for a wrong command line.
"""


class Suite:
    """One suite. A subclass has its requirements, adds its options, and reports the verdicts of its cases."""

    name = ""
    # A line for `tools/acceptance --list`; the description and the epilog of --help.
    summary = ""
    description = ""
    epilog = ""
    # The page of --write: its title, its file, the column beside the case, and the programs that share the processors.
    title = ""
    page = None
    setting = ""
    conditions = ""
    # COMMAND=PACKAGE, as tools/require takes them.
    needs = ()
    needs_root = True
    # Whether --ringway names a binary to judge.
    needs_binary = True
    # The meaning of the positional arguments.
    word = "case"

    @property
    def command(self):
        return f"acceptance {self.name}"

    def cases(self):
        """The names that the positional arguments may have, in the order in which they are judged."""
        raise NotImplementedError

    def add_options(self, parser):
        """Options beside --ringway, --write and --list."""

    def check(self, arguments, parser, command):
        """Refuses arguments that make no sense together, and binaries that are missing."""

    def judge(self, arguments, report):
        """Judges the chosen cases."""
        raise NotImplementedError

    def wants(self, arguments, name):
        return not arguments.cases or name in arguments.cases

    def conditions_of(self, arguments):
        return self.conditions

    def parsed(self, parser, argv):
        parser.add_argument("cases", nargs="*", metavar=self.word.upper(),
                            help=f"the {self.word}s to judge; all of them when none is named")
        self.add_options(parser)
        if self.needs_binary:
            add_ringway_option(parser)
        add_write_option(parser, self.page)
        parser.add_argument("--list", action="store_true", help=f"the names of the {self.word}s")
        arguments = parser.parse_args(argv)
        for name in arguments.cases:
            if name not in self.cases():
                parser.error(f"there is no {self.word} \"{name}\": {', '.join(self.cases())}")
        return arguments

    def run(self, argv):
        """The whole of `tools/acceptance SUITE ARGUMENT...`."""
        command = Command(self.command)
        parser = command.parser(self.description, epilog=self.epilog + EXIT_STATUS)
        arguments = self.parsed(parser, argv)
        if arguments.list:
            print("\n".join(self.cases()))
            return
        if self.needs_root:
            command.require_root()
        if self.needs_binary:
            command.require_binary(arguments.ringway, BUILDS["ringway"])
        self.check(arguments, parser, command)
        command.require_packages(self.needs)
        command.end_on_signal()
        report = Report(
            self.title, self.setting, self.conditions_of(arguments), f"tools/{self.command} --write")
        try:
            self.judge(arguments, report)
        except Failure as failure:
            command.fail(failure)
        if arguments.write:
            report.write(arguments.write)
        sys.exit(1 if report.failed else 0)
