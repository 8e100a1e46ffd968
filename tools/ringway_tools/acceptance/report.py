"""Verdicts on the cases of a suite, printed as they fall and kept for a table."""

import os
import platform
import time

from ringway_tools.failure import Failure
from ringway_tools.paths import commit


class Report:
    """PASS or FAIL for each case, in each setting in which it was judged."""

    def __init__(self, title, setting, conditions, command):
        self.title = title
        self.setting = setting
        self.conditions = conditions
        self.command = command
        self.rows = []

    def judge(self, name, setting, action):
        """Runs a case; returns its text when it passes, or None."""
        started = time.monotonic()
        try:
            verdict, text = "PASS", action()
        except Failure as failure:
            verdict, text = "FAIL", " ".join(str(failure).split())
        self.add(name, setting, verdict, text, time.monotonic() - started)
        return text if verdict == "PASS" else None

    def add(self, name, setting, verdict, text, seconds):
        self.rows.append((name, setting, verdict, text))
        print(f"{verdict}  {name:<17} {self.setting} {setting}  {seconds:5.1f} s  {text}", flush=True)

    @property
    def failed(self):
        return any(verdict == "FAIL" for _, _, verdict, _ in self.rows)

    def write(self, path):
        with open(path, "w") as file:
            file.write(
                f"# {self.title}\n\nCommit {commit()}, {time.strftime('%Y-%m-%d')}, Linux "
                f"{platform.release()}, {os.cpu_count()} cores {self.conditions}.\nMade by `{self.command}`.\n\n"
                f"| case | {self.setting} | verdict | measured |\n|---|---|---|---|\n")
            for row in self.rows:
                file.write("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |\n")
