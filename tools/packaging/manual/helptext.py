"""Takes the prose of --help apart: sections, paragraphs, lists of terms, examples and tables."""

import re

HEADING = re.compile(r"[A-Z][A-Z ]+")
ENTRY = re.compile(r" {1,4}(\S+(?: \S+)*)(?: {2,}(\S.*))?")


def sections(text):
    """[(heading, lines)], where the first heading is "": the text before the first section."""
    found = [("", [])]
    for line in text.splitlines():
        if HEADING.fullmatch(line.rstrip(": ")) and not line.startswith(" "):
            found.append((line.rstrip(": "), []))
        else:
            found[-1][1].append(line)
    return [(heading, trimmed(lines)) for heading, lines in found]


def trimmed(lines):
    while lines and not lines[0].strip():
        lines = lines[1:]
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return lines


def groups(lines):
    """Runs of lines without an empty one, each either all indented or all not."""
    run = []
    for line in lines:
        if run and (not line.strip() or line.startswith(" ") != run[0].startswith(" ")):
            yield run
            run = []
        if line.strip():
            run.append(line)
    if run:
        yield run


def indent(line):
    return len(line) - len(line.lstrip(" "))


def entries(lines):
    """[(term, text)] of an indented list; a line that explains nothing has the text ""."""
    margin = min(map(indent, lines))
    found = []
    for line in lines:
        if indent(line) > margin and found:
            term, text = found[-1]
            found[-1] = (term, f"{text} {line.strip()}".strip())
            continue
        term, text = re.fullmatch(r"(\S+(?: \S+)*)(?: {2,}(\S.*))?", line.strip()).groups()
        found.append((term, text or ""))
    return found


def is_table(lines):
    """Whether the first line names three columns or more."""
    return len(re.split(r" {2,}", lines[0].strip())) > 2


def examples(lines):
    """[(lines of a command, what it does)]."""
    margin = min(map(indent, lines))
    found = []
    for line in lines:
        deeper = indent(line) > margin
        if not deeper and (not found or found[-1][1] or not found[-1][0][-1].endswith("\\")):
            found.append(([line.strip()], ""))
        elif deeper and (found[-1][1] or re.match(r"[A-Z][a-z]*[ ,]", line.strip())):
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip()}".strip())
        else:
            found[-1][0].append(line[margin:].rstrip())
    return found
