"""The files of a repository at two commits, exported with git; the repository and its work tree stay as they are."""

from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from snowpipe_ml.errors import UsageError

# git asks for nothing, and reads no variables that would point it to another repository.
_OF_GIT = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY")


@dataclass(frozen=True)
class Commit:
    """A commit that is compared.

    Attributes:
        ref: how the user named it, such as ``main``.
        id: its whole id.
        forked: whether it is not that of ``ref``, but the one at which the other commit left it.
    """

    ref: str
    id: str
    forked: bool = False

    def __str__(self) -> str:
        return f"{self.ref} ({'forked at ' if self.forked else ''}{self.id[:10]})"


@dataclass(frozen=True)
class Repository:
    """The repository of a spec.

    Attributes:
        root: its top folder.
        spec: the path of the spec in it.
    """

    root: Path
    spec: PurePosixPath

    @classmethod
    def of(cls, spec: Path) -> Repository:
        """Find the repository of a spec, which need not exist in the work tree.

        Raises:
            UsageError: git is not installed, or the folder of the spec is in no repository.
        """
        folder = spec.absolute().parent.resolve()
        if not folder.is_dir():
            raise UsageError(f"no such folder: {folder}")
        root = Path(_git(folder, "rev-parse", "--show-toplevel")).resolve()
        return cls(root, PurePosixPath((folder / spec.name).relative_to(root).as_posix()))

    def commits(self, base: str, head: str) -> tuple[Commit, Commit]:
        """Find two commits. That of ``base`` is the one at which ``head`` has left it, as in a pull request.

        Raises:
            UsageError: one of the refs does not exist.
        """
        ids = [self._id(ref) for ref in (base, head)]
        done = _run(self.root, "merge-base", *ids)
        fork = (
            done.stdout.strip() if done.returncode == 0 else ids[0]
        )  # without a common ancestor: the ref itself
        return Commit(base, fork, forked=fork != ids[0]), Commit(head, ids[1])

    def _id(self, ref: str) -> str:
        done = _run(self.root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
        if done.returncode:
            raise UsageError(
                f"git knows no commit {ref!r} in {self.root}: expected a branch, a tag or a commit. A shallow clone lacks "
                "other branches: fetch them, such as with `fetch-depth: 0` of actions/checkout"
            )
        return done.stdout.strip()

    def changed_files(self, base: Commit, head: Commit) -> list[str]:
        """Return the paths of the files that differ between two commits."""
        text = _git(self.root, "diff", "--name-only", "--no-renames", "-z", base.id, head.id)
        return [path for path in text.split("\0") if path]

    def export(self, commit: Commit, folder: Path) -> Path:
        """Write the files of a commit into a new folder.

        A link that leads out of the repository is not written.

        Returns:
            The spec in the folder.

        Raises:
            UsageError: the commit has no such spec.
        """
        found = _run(self.root, "cat-file", "-e", f"{commit.id}:{self.spec}")
        if found.returncode:
            raise UsageError(f"{self.spec} does not exist at {commit}: there is nothing to compare")
        folder.mkdir(parents=True)
        command = ["git", "-C", str(self.root), "archive", "--format=tar", commit.id]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=_environment()) as process:
            assert process.stdout is not None
            with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                for member in archive:
                    archive.extract(member, folder, filter=_inside)
        if process.returncode:
            raise UsageError(f"git archive of {commit} failed")
        return folder / self.spec


def keep_times(base: Path, head: Path) -> None:
    """Give the files of ``head`` that are equal in ``base`` their times there: a time is part of some fingerprints."""
    for path in head.rglob("*"):
        other = base / path.relative_to(head)
        if path.is_symlink() or not path.is_file() or other.is_symlink() or not other.is_file():
            continue
        if filecmp.cmp(path, other, shallow=False):
            about = other.stat()
            os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def _inside(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
    try:
        return tarfile.data_filter(member, folder)
    except (tarfile.LinkOutsideDestinationError, tarfile.AbsoluteLinkError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    done = _run(folder, *arguments)
    if done.returncode:
        raise UsageError(f"git {arguments[0]} failed in {folder}: {done.stderr.strip()}")
    return done.stdout.removesuffix("\n")


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("git") is None:
        raise UsageError("compare needs git, which is not installed")
    command: Sequence[str] = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _OF_GIT}
    return {**kept, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
