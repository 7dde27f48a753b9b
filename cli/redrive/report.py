"""Run a redrive and print its results: one way for all backlogs."""

from collections import Counter
from collections.abc import Sequence
from contextlib import closing

from cli.redrive.dry_run import DryRun, Evaluator
from cli.redrive.redrive import Backlog, BacklogEntry, EntryT, RedriveResult, RedriveStatus, redrive
from cli.redrive.selection import Selection
from cli.stack.stack import Stack
from cli.ui import output
from cli.ui.output import info, plural, print_json, stdout

MAX_NAMED = 100  # malformed entries on standard error; --json has all of them


def run(
    backlog: Backlog[EntryT],
    selection: Selection,
    stack: Stack,
    *,
    force: bool,
    preview: bool,
    as_json: bool,
    evaluator: Evaluator | None = None,
) -> int:
    """Redrive the selected records and print what became of them; return 0 if none was held back or failed, else 1.

    ``evaluator`` is by default the one of events.
    """
    dry_run = evaluator or DryRun(stack.catalogue, stack.environment)
    results: list[RedriveResult] = []
    try:
        with (
            closing(redrive(backlog, selection, dry_run, force=force, preview=preview)) as steps,
            output.progress() as progress,
        ):
            for result in progress.track(steps, description=f"redriving {backlog.name}"):
                results.append(result)  # noqa: PERF402  # what was appended before an exception is printed
    except BaseException:  # whatever ends it, what was done is reported
        _print_results(results, preview=preview, as_json=as_json)
        info("Interrupted. No record is lost: run the command again to continue.")
        raise
    _print_results(results, preview=preview, as_json=as_json)
    _print_remarks(results, backlog, preview=preview)
    totals = Counter(result.status for result in results)
    return 1 if totals[RedriveStatus.HELD_BACK] or totals[RedriveStatus.FAILED] else 0


def _print_results(results: Sequence[RedriveResult], *, preview: bool, as_json: bool) -> None:
    sent = RedriveStatus.WOULD_BE_SENT if preview else RedriveStatus.SENT
    counts = Counter(result.status for result in results)
    totals = {status: counts[status] for status in (sent, RedriveStatus.HELD_BACK, RedriveStatus.FAILED)}
    if as_json:
        print_json({
            "dry_run": preview,
            "totals": {status.replace(" ", "_"): count for status, count in totals.items()},
            "records": [
                {"id": result.id, "event_name": result.event_name, "status": result.status.replace(" ", "_"),
                 "reason": result.reason}
                for result in results
            ],
        })  # fmt: skip
        return
    if results:
        groups = Counter((result.status.value, result.event_name or "", result.reason or "") for result in results)
        rows = ((*group, count) for group, count in sorted(groups.items()))
        stdout().print(output.table(("status.", "event type", "reason", "records#"), rows))
    listed = ", ".join(f"{count:,} {status}" for status, count in totals.items())
    stdout().print(f"{plural(len(results), 'record')}: {listed}.", soft_wrap=True)


def _print_remarks(results: Sequence[RedriveResult], backlog: Backlog[EntryT], *, preview: bool) -> None:
    found = {result.status for result in results if not result.is_malformed}
    if preview:
        info("Dry run: nothing was sent or deleted.")
    if RedriveStatus.HELD_BACK in found:
        info(
            f"What is held back stays in {backlog.name}. Fix the cause and redrive again; --force sends it anyway,"
            " except what would be ignored."
        )
    if RedriveStatus.FAILED in found:
        info(f"What failed stays in {backlog.name}. Redrive again to retry it.")
    if RedriveStatus.SENT in found:
        info(
            "The functions process what was sent in the background. If they reject a record again, it becomes a new"
            " rejected record: `canvas-events rejected list --since 10m`."
        )
    malformed = [BacklogEntry(id=result.id, error=result.reason) for result in results if result.is_malformed]
    print_malformed(malformed, backlog.malformed_remedy)


def print_malformed(entries: Sequence[BacklogEntry], remedy: str) -> None:
    """Name the malformed entries of a backlog on standard error, each with what is wrong, and say what to do."""
    for entry in entries[:MAX_NAMED]:
        info(f"{entry.id}: {entry.error}")
    if len(entries) > MAX_NAMED:
        info(f"… and {len(entries) - MAX_NAMED:,} more malformed: --json has all of them.")
    if entries:
        info(remedy)
