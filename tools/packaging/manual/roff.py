"""Writes man(7) pages: text in, roff out, in lines that neither groff nor mandoc complains about."""

import re
import textwrap

OPTION = re.compile(r"(?<![\w/\-])(--?[A-Za-z][\w-]*)")
SENTENCE_END = re.compile(r"(?<=[\w)\]\"'][.!?]) +(?=\S)")
PAGE = re.compile(r'"(ringway(?:-agent)?)((?: [a-z]+)*) --help"')


def escaped(text):
    """Text that is to be shown as it is, with hyphens that can be copied as options."""
    return text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")


def literal(text):
    return f"\\fB{escaped(text)}\\fR"


def italic(text):
    return f"\\fI{escaped(text)}\\fR"


def prose(text):
    """Running text: options are bold, references to another command's help name its page."""
    text = PAGE.sub(lambda found: f"{found[1]}{found[2].replace(' ', '-')}(1)", text)
    pieces = []
    for index, piece in enumerate(OPTION.split(text)):
        pieces.append(literal(piece) if index % 2 else piece.replace("\\", "\\e").replace("'", "\\(aq"))
    return "".join(pieces)


class Page:
    def __init__(self, name, section, date, source, manual):
        self.lines = [f'.TH {escaped(name.upper())} {section} {date} "{source}" "{manual}"']

    def heading(self, title):
        self.lines.append(f".SH {title}")

    def subheading(self, title):
        self.lines.append(f".SS {title}")

    def title(self, name, abstract):
        """The section that apropos(1) reads."""
        self.heading("NAME")
        self.lines += textwrap.wrap(f"{escaped(name)} \\- {prose(abstract)}", 78, break_on_hyphens=False)

    def fill(self, text):
        """A paragraph's lines: a sentence begins a new one, and none is long."""
        for sentence in SENTENCE_END.split(prose(" ".join(text.split()))):
            for line in textwrap.wrap(sentence, 78, break_long_words=False, break_on_hyphens=False):
                self.lines.append(f"\\&{line}" if line[0] in ".'" else line)

    def paragraph(self, text):
        # After a heading a paragraph has begun already.
        if not self.lines[-1].startswith((".SH", ".SS")):
            self.lines.append(".PP")
        self.fill(text)

    def definition(self, term, *texts):
        """A term, roff already, and the paragraphs that explain it."""
        self.lines += [".TP", term]
        first, *rest = [text for text in texts if text] or ["\\&"]
        self.fill(first) if first != "\\&" else self.lines.append("\\&")
        for text in rest:
            self.lines.append(".IP")
            self.fill(text)

    def verbatim(self, lines):
        if not self.lines[-1].startswith((".SH", ".SS")):
            self.lines.append(".PP")
        self.lines.append(".EX")
        for line in lines:
            text = escaped(line.rstrip())
            self.lines.append(f"\\&{text}" if text[:1] in (".", "'") else text or "\\&")
        self.lines.append(".EE")

    def example(self, lines, text):
        if not self.lines[-1].startswith((".SH", ".SS")):
            self.lines.append(".PP")
        self.lines.append(".EX")
        self.lines += [literal(line) for line in lines]
        self.lines.append(".EE")
        if text:
            self.lines.append(".RS 4")
            self.fill(text)
            self.lines.append(".RE")

    @property
    def text(self):
        return "\n".join(self.lines) + "\n"
