"""The archive that the kernel unpacks as its first root: cpio in its "newc" form.

Written here rather than by cpio(1), which would need the files laid out on a disk first, and root to own them.
"""

import pathlib
import stat


class Archive:
    """Directories, files and links, in the order in which they are added; parents come by themselves."""

    def __init__(self, file):
        self.file = file
        self.entries = 0
        self.directories = {pathlib.PurePosixPath("/")}

    def directory(self, path, mode=0o755):
        path = pathlib.PurePosixPath(path)
        if path in self.directories:
            return
        self.directory(path.parent)
        self.directories.add(path)
        self.entry(path, stat.S_IFDIR | mode, b"")

    def text(self, path, text, mode=0o644):
        self.regular_file(path, text.encode(), mode)

    def regular_file(self, path, content, mode=0o644):
        path = pathlib.PurePosixPath(path)
        self.directory(path.parent)
        self.entry(path, stat.S_IFREG | mode, content)

    def copy(self, path, source):
        """A file of this machine, or a folder with all that is in it; what links point at, not the links."""
        source = pathlib.Path(source)
        if source.is_dir():
            self.directory(path)
            for child in sorted(source.iterdir()):
                self.copy(pathlib.PurePosixPath(path, child.name), child)
        else:
            self.regular_file(path, source.read_bytes(), stat.S_IMODE(source.stat().st_mode))

    def link(self, path, target):
        path = pathlib.PurePosixPath(path)
        self.directory(path.parent)
        self.entry(path, stat.S_IFLNK | 0o777, str(target).encode())

    def character_device(self, path, major, minor, mode=0o600):
        path = pathlib.PurePosixPath(path)
        self.directory(path.parent)
        self.entry(path, stat.S_IFCHR | mode, b"", (major, minor))

    def finish(self):
        self.record("TRAILER!!!", 0, b"", (0, 0))

    def entry(self, path, mode, content, device=(0, 0)):
        self.entries += 1
        self.record(str(path).lstrip("/"), mode, content, device)

    def record(self, name, mode, content, device):
        name = name.encode() + b"\0"
        # inode, mode, owner, group, links, time, size, device of the file (2), device it is (2), name's size, checksum
        fields = (self.entries, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name), 0)
        header = b"070701" + b"".join(b"%08x" % field for field in fields)
        self.file.write(padded(header + name))
        self.file.write(padded(content))


def padded(content):
    return content + bytes(-len(content) % 4)
