"""Confine a worker process to what a function on Snowflake can reach. This module runs in worker processes.

A function may read its imports, its temporary folder and the libraries of the interpreter; it may write to its
temporary folder; it cannot open a socket. Linux enforces this without privileges, for the process and all
that it starts:

- a mount namespace gives it a private ``/tmp`` and ``/dev/shm`` (https://man7.org/linux/man-pages/man7/mount_namespaces.7.html),
- Landlock limits files, TCP, signals and abstract sockets (https://docs.kernel.org/userspace-api/landlock.html),
- seccomp refuses the system calls that open sockets (https://docs.kernel.org/userspace-api/seccomp_filter.html).

A container may forbid the namespace; then ``/tmp`` is that of the host. Where the system has no Landlock
(macOS, Linux before 5.13), an audit hook refuses the same files and sockets: it guards against mistakes, but
native code can go around it.
"""

from __future__ import annotations

import ctypes
import os
import platform
import site
import struct
import sys
from pathlib import Path

TMP = "/tmp"  # noqa: S108 - the path that functions on Snowflake use, not a file of ours
_SHARED_MEMORY = "/dev/shm"  # noqa: S108
_PACKAGE = str(Path(__file__).resolve().parents[2])

# What interpreters and numeric libraries read outside their folders.
_SYSTEM = (
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/bin",
    "/sbin",
    "/opt",
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/ssl",
    "/etc/timezone",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/kernel",
    "/proc/sys/vm",
    "/sys/devices/system",
    "/sys/fs/cgroup",
    "/sys/kernel/mm",
    "/dev/random",
    "/dev/urandom",
)
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/tty")


def confine(folder: str, imports: str) -> None:
    """Confine this process irrevocably.

    Args:
        folder: its temporary folder.
        imports: the folder of the function's staged imports.

    Raises:
        OSError: the system offers confinement, but refuses it for a reason that is not foreseen.
    """
    libraries = (
        sys.prefix,
        sys.base_prefix,
        sys.exec_prefix,
        _PACKAGE,
        site.getusersitepackages(),
        imports,
        *sys.path,
    )
    readable = _existing(*_SYSTEM, *libraries)
    if sys.platform != "linux":
        _guard(readable, [folder, TMP])
        return
    libc = ctypes.CDLL(None, use_errno=True)
    # A folder that is reached through a symbolic link below /tmp is kept under both names.
    names = [os.path.abspath(path) for path in libraries if path and os.path.exists(path)]
    own_tmp = _own_tmp(libc, Path(folder), [*readable, folder, *names])
    gpus = [str(path) for path in Path("/dev").glob("nvidia*")]
    writable = _existing(folder, *(_DEVICES), *gpus, *([TMP, _SHARED_MEMORY] if own_tmp else [TMP]))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise _failed("prctl")
    if not _restrict_files(libc, readable, writable):
        _guard(readable, writable)
    _refuse_sockets(libc)


def own_tmp_of(folder: str) -> Path:
    """Return the folder that is the ``/tmp`` of a worker with this temporary folder."""
    return Path(folder) / "tmp"


def _existing(*paths: str) -> list[str]:
    found = dict.fromkeys(os.path.realpath(path) if path != "/proc/self" else path for path in paths if path)
    return [path for path in found if os.path.exists(path) and path != "/"]


def _failed(call: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{call}: {os.strerror(number)}")


# --- Namespaces

_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18


def _own_tmp(libc: ctypes.CDLL, folder: Path, kept: list[str]) -> bool:
    """Give the process its own /tmp, in which the kept folders below /tmp stay visible.

    Returns:
        Whether the system allows it.
    """
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(_CLONE_NEWNS) != 0:
        if libc.unshare(_CLONE_NEWNS | _CLONE_NEWUSER) != 0:
            return False
        try:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
        except OSError:  # AppArmor of some distributions allows the namespace, but no privilege in it
            return False

    def mount(source: str, target: str, flags: int) -> bool:
        return bool(libc.mount(source.encode(), target.encode(), None, flags, None) == 0)

    if not mount("none", "/", _MS_REC | _MS_PRIVATE):
        return False
    root = own_tmp_of(str(folder))
    root.mkdir()
    for path in dict.fromkeys(kept):
        below = os.path.relpath(path, TMP)
        if below.startswith("..") or below == ".":
            continue
        target = root / below
        if Path(path).is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        if not mount(path, str(target), _MS_BIND | _MS_REC):
            raise _failed(f"mount {path}")
    memory = folder / "shm"
    memory.mkdir()
    if os.path.isdir(_SHARED_MEMORY) and not mount(str(memory), _SHARED_MEMORY, _MS_BIND):
        raise _failed(f"mount {_SHARED_MEMORY}")
    if not mount(str(root), TMP, _MS_BIND | _MS_REC):
        raise _failed(f"mount {TMP}")
    os.chdir(folder)  # the current folder was one of the hidden /tmp
    return True


# --- Landlock

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on all architectures
_PATH_BENEATH = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE
# Rights on files by the version of the interface that has introduced them.
_ALL_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1}
_TRUNCATE = 1 << 14
_BIND_AND_CONNECT_TCP = 3
_SCOPES = 3  # abstract Unix sockets and signals


def _restrict_files(libc: ctypes.CDLL, readable: list[str], writable: list[str]) -> bool:
    """Apply Landlock; return False if the kernel does not have it."""
    version = libc.syscall(_CREATE_RULESET, None, 0, 1)
    if version < 1:
        return False
    rights = _ALL_RIGHTS[min(version, 3)]
    attributes = struct.pack(
        "QQQ", rights, _BIND_AND_CONNECT_TCP if version >= 4 else 0, _SCOPES if version >= 6 else 0
    )
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = libc.syscall(_CREATE_RULESET, attributes, size, 0)
    if ruleset < 0:
        raise _failed("landlock_create_ruleset")
    try:
        for path in readable:
            _allow(libc, ruleset, path, _EXECUTE | _READ_FILE | _READ_DIR)
        for path in writable:
            _allow(libc, ruleset, path, rights)
        if libc.syscall(_RESTRICT_SELF, ruleset, 0) != 0:
            raise _failed("landlock_restrict_self")
    finally:
        os.close(ruleset)
    return True


def _allow(libc: ctypes.CDLL, ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # a folder that this user cannot open, so the function cannot either
        return
    try:
        if not os.path.isdir(path):
            rights &= _FILE_RIGHTS | _TRUNCATE
        rule = struct.pack("=Qi", rights, descriptor)
        if libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0) != 0:
            raise _failed(f"landlock_add_rule {path}")
    finally:
        os.close(descriptor)


# --- seccomp

_EPERM, _EACCES = 1, 13
_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_X32 = 0x40000000
_IO_URING_SETUP = 425  # it opens sockets without the system call `socket`
# The architecture's number for the kernel, and its number of the system call `socket`.
_ARCHITECTURES = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}


def _refuse_sockets(libc: ctypes.CDLL) -> None:
    """Refuse to open a socket; a pair of connected sockets inside the process is allowed."""
    if platform.machine() not in _ARCHITECTURES:
        _guard_sockets()
        return
    architecture, socket = _ARCHITECTURES[platform.machine()]
    # (operation, operand, instructions to skip if true, if false)
    program = [
        (_LOAD, 4, 0, 0),
        (_JUMP_IF_EQUAL, architecture, 1, 0),
        (_RETURN, _ERRNO | _EPERM, 0, 0),
        (_LOAD, 0, 0, 0),
        (_JUMP_IF_AT_LEAST, _X32, 2, 0),
        (_JUMP_IF_EQUAL, socket, 1, 0),
        (_JUMP_IF_EQUAL, _IO_URING_SETUP, 0, 1),
        (_RETURN, _ERRNO | _EACCES, 0, 0),
        (_RETURN, _ALLOW, 0, 0),
    ]
    code = b"".join(
        struct.pack("HBBI", operation, when, otherwise, operand)
        for operation, operand, when, otherwise in program
    )
    buffer = ctypes.create_string_buffer(code, len(code))
    pointer = ctypes.cast(buffer, ctypes.c_void_p).value
    description = struct.pack("HxxxxxxQ", len(program), pointer)
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, description, 0, 0) != 0:
        _guard_sockets()


# --- The guard where the system has nothing


def _guard(readable: list[str], writable: list[str]) -> None:
    roots = tuple(os.path.realpath(path) for path in (*readable, *writable))
    own = tuple(os.path.realpath(path) for path in writable)

    def check(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str | bytes):
            path = os.path.realpath(os.fsdecode(arguments[0]))
            flags = arguments[2] if isinstance(arguments[2], int) else 0
            allowed = own if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) else roots
            if not any(path == root or path.startswith(root + os.sep) for root in allowed):
                raise PermissionError(_EACCES, "Permission denied", path)
        elif event in ("os.listdir", "os.scandir") and isinstance(arguments[0], str | bytes):
            path = os.path.realpath(os.fsdecode(arguments[0]))
            if not any(path == root or path.startswith(root + os.sep) for root in roots):
                raise PermissionError(_EACCES, "Permission denied", path)

    sys.addaudithook(check)
    _guard_sockets()


def _guard_sockets() -> None:
    def check(event: str, arguments: tuple[object, ...]) -> None:
        if event in ("socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo"):
            raise PermissionError(_EACCES, "a function on Snowflake has no network without an integration")

    sys.addaudithook(check)
