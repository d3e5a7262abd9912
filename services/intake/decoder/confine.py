"""Takes from a decoder process what decoding does not need: memory, files, network, other processes.

On Linux on x86-64 and ARM64 the kernel refuses every system call that is not in a short list. Nothing in that list
opens a file, creates a socket or a process, or sends a signal. On other systems only the limits of setrlimit apply.
"""

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from services.intake.decoder.protocol import Ready

_PR_SET_NO_NEW_PRIVS: Final = 38
_SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_TSYNC = 1, 1
_LOAD_WORD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
"""BPF instructions."""
_KILL, _REFUSE, _ALLOW = 0x80000000, 0x00050000 | errno.EPERM, 0x7FFF0000
_OFFSET_OF_NUMBER, _OFFSET_OF_ARCHITECTURE = 0, 4
"""Fields of struct seccomp_data."""

_MACHINES: Final = {"x86_64": (0, 0xC000003E, 317), "aarch64": (1, 0xC00000B7, 277)}
"""Column of _SYSTEM_CALLS, AUDIT_ARCH_ constant, number of `seccomp`."""
_SYSTEM_CALLS: Final = {
    "read": (0, 63),
    "write": (1, 64),
    "sendto": (44, 206),
    "recvfrom": (45, 207),
    "close": (3, 57),
    "fstat": (5, 80),
    "lseek": (8, 62),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    "setitimer": (38, 103),
    "getrusage": (98, 165),
    "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "futex": (202, 98),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "getrandom": (318, 278),
    "exit": (60, 93),
    "exit_group": (231, 94),
}
"""What a decoder needs after it has loaded its libraries: numbers on x86-64 and on ARM64."""


def confine(memory_bytes: int) -> Ready:
    """Confine this process for the rest of its life; returns what is enforced.

    It may allocate `memory_bytes` in addition to what it has.
    """
    linux = sys.platform == "linux"
    if linux:
        _prefer_as_victim()
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        _limit(resource.RLIMIT_AS, pages * resource.getpagesize() + memory_bytes)
    for kind in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC):
        _limit(kind, 0)
    _limit(resource.RLIMIT_NOFILE, 3)
    return Ready(memory=linux, system_calls=linux and _restrict_system_calls())


def _limit(kind: int, most: int) -> None:
    resource.setrlimit(kind, (most, most))


def _prefer_as_victim() -> None:
    """When memory runs out, the kernel is to kill this process, not the service."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _restrict_system_calls() -> bool:
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        return False
    column, architecture, seccomp = machine
    program = b"".join(_filter([numbers[column] for numbers in _SYSTEM_CALLS.values()], architecture))
    code = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: the number of instructions and their address.
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    answer: int = libc.syscall(seccomp, _SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_TSYNC, header)
    return answer == 0


def _filter(allowed: list[int], architecture: int) -> list[bytes]:
    """Return BPF instructions that allow these system calls; any other fails with EPERM."""
    checks = [
        _instruction(_JUMP_IF_EQUAL, number, if_equal=len(allowed) - index) for index, number in enumerate(allowed)
    ]
    return [
        _instruction(_LOAD_WORD, _OFFSET_OF_ARCHITECTURE),
        _instruction(_JUMP_IF_EQUAL, architecture, if_equal=1),
        _instruction(_RETURN, _KILL),
        _instruction(_LOAD_WORD, _OFFSET_OF_NUMBER),
        *checks,
        _instruction(_RETURN, _REFUSE),
        _instruction(_RETURN, _ALLOW),
    ]


def _instruction(code: int, value: int, *, if_equal: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_equal, 0, value)


def silence() -> None:
    """Send the messages of libraries, which quote the file, nowhere; keep Ctrl-C and SIGTERM for the parent."""
    os.dup2(1, 2)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
