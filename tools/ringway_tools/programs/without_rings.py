"""Runs a program that may not use io_uring: its system calls are answered with EPERM, as by Docker's default profile.

usage: without_rings.py PROGRAM [ARGUMENT...]
"""

import ctypes
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
SECCOMP_RET_ERRNO = 0x00050000
SECCOMP_RET_ALLOW = 0x7FFF0000
EPERM = 1
# The same on every architecture: io_uring_setup, io_uring_enter, io_uring_register.
FORBIDDEN = [425, 426, 427]

LOAD_WORD = 0x20
JUMP_IF_EQUAL = 0x15
RETURN = 0x06


def instruction(code, value, if_true=0, if_false=0):
    return struct.pack("HBBI", code, if_true, if_false, value)


def filter_program():
    """Loads the number of the system call, and compares it with each of those that are forbidden."""
    lines = [instruction(LOAD_WORD, 0)]
    for index, number in enumerate(FORBIDDEN):
        lines.append(instruction(JUMP_IF_EQUAL, number, if_true=len(FORBIDDEN) - index))
    lines.append(instruction(RETURN, SECCOMP_RET_ALLOW))
    lines.append(instruction(RETURN, SECCOMP_RET_ERRNO | EPERM))
    return lines


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    lines = filter_program()
    code = ctypes.create_string_buffer(b"".join(lines))
    program = Program(len(lines), ctypes.cast(code, ctypes.c_void_p))
    library = ctypes.CDLL(None, use_errno=True)
    library.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
    for arguments in [
            (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(program), 0, 0)]:
        if library.prctl(*arguments) != 0:
            sys.exit(f"without_rings.py: {os.strerror(ctypes.get_errno())}")
    os.execvp(sys.argv[1], sys.argv[1:])


main()
