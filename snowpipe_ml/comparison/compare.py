"""Compare a pipeline at two commits: its steps, its SQL, its tables, its forecasts and its cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from snowpipe_ml.comparison.commits import Commit, Repository, keep_times
from snowpipe_ml.comparison.found import Comparison
from snowpipe_ml.comparison.options import DEFAULT, Options
from snowpipe_ml.comparison.runs import Runs
from snowpipe_ml.comparison.steps import Side, step_changes
from snowpipe_ml.comparison.throwaway import Throwaway
from snowpipe_ml.engine.run.run import new_run
from snowpipe_ml.errors import SpecError, UsageError
from snowpipe_ml.temporary import TemporaryFolder


def _silent(text: str) -> None:
    """Ignore what is being done."""


def compare(
    spec: Path,
    base: str,
    head: str = "HEAD",
    options: Options = DEFAULT,
    tell: Callable[[str], None] = _silent,
) -> Comparison:
    """Compare a pipeline at two commits of its repository.

    The files of both commits are written into temporary folders, and the pipeline is run there on embedded warehouses that
    are removed afterwards. Only steps that change and those that they need are run. The head runs on a copy of the
    warehouse on which the base has run, so that only its changes run again.

    Args:
        spec: the spec.
        base: the ref that is compared with. Its commit is the one at which the head has left it.
        head: the ref with the changes.
        options: the options.
        tell: called with what is being done, in words.

    Raises:
        SpecError: the spec is invalid at one of the commits.
        UsageError: the spec is not in a repository, or a ref, the target or a variable does not exist.
        StatementError: a table cannot be compared.
    """
    repository = Repository.of(spec)
    commits = repository.commits(base, head)
    with TemporaryFolder("compare") as folder:
        trees = folder / "base", folder / "head"
        with _told_with_refs(dict(zip(trees, commits, strict=True))):
            return _compared(repository, commits, trees, options, tell)


def _compared(
    repository: Repository,
    commits: tuple[Commit, Commit],
    trees: tuple[Path, Path],
    options: Options,
    tell: Callable[[str], None],
) -> Comparison:
    specs = [repository.export(commit, tree) for commit, tree in zip(commits, trees, strict=True)]
    keep_times(*trees)
    run = new_run()
    first, second = (
        Side.read(
            Throwaway(
                path, options.variables, tree.with_name(f"{tree.name}-warehouse") if options.run else None
            ),
            options.target,
            run,
        )
        for path, tree in zip(specs, trees, strict=True)
    )
    files = repository.changed_files(*commits)
    steps = step_changes(first, second, files, repository.spec.parent)
    found = Comparison(
        second.spec.pipeline.name,
        str(repository.spec),
        second.spec.target_name,
        *commits,
        steps,
        ran=False,
        series=options.series,
    )
    if not options.run or all(step.declared for step in steps):
        return found
    return Runs(first, second, options, tell).compared(found)


@contextmanager
def _told_with_refs(trees: Mapping[Path, Commit]) -> Iterator[None]:
    """Tell the problems of a spec with the ref of its commit, and not with the temporary folder."""
    try:
        yield
    except SpecError as error:
        problems = []
        for problem in error.problems:
            file = Path(problem.position.file)
            told = next(
                (
                    f"{commit.ref}:{file.relative_to(tree).as_posix()}"
                    for tree, commit in trees.items()
                    if file.is_relative_to(tree)
                ),
                str(file),
            )
            problems.append(replace(problem, position=replace(problem.position, file=told)))
        raise SpecError(problems) from error
    except UsageError as error:
        text = str(error)
        for tree, commit in trees.items():
            text = text.replace(f"{tree}/", f"{commit.ref}:")
        raise UsageError(text) from error
