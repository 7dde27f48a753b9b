"""``replay``: process archived events again."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cli.ui import arguments

if TYPE_CHECKING:
    from cli.replay.archived_objects import ArchivedObject
    from cli.replay.estimate import Estimate
    from cli.replay.replay import Queues
    from cli.replay.results import Results
    from cli.replay.run import Run
    from cli.stack.stack import Stack

EXAMPLES = """\
examples:
  canvas-events replay --from 2026-09-01 --dry-run
                              count what would be processed, estimate the cost
  canvas-events replay --from 2d --to 12h
                              what arrived from two days to twelve hours ago
  canvas-events replay --from 2026-09-01 --families groups
                              a family that was not deployed then
  canvas-events replay --from 2026-09-01 --types grade_change --rewrite
                              a mapping that was corrected
  canvas-events replay --resume 20261201T011500Z-4f2a
                              continue, and wait for the end

A replay is safe to interrupt, to resume, to repeat, and to run twice at once:
newer events always win.

exit status: 0 every object was processed, 1 error, 2 some objects did not
finish (or a usage error)
"""
MAX_NAMED = 20  # unfinished objects; --json has all of them


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = arguments.command(
        commands, "replay", "process archived events again", EXAMPLES, _replay,
        more="Needs an archive (parameter\nArchiveDays) and a function for its objects (ReplayConcurrency).",
    )  # fmt: skip
    group = parser.add_argument_group("selection")
    group.add_argument(
        "--from", dest="start", type=arguments.time_argument, metavar="TIME",
        help="arrived at or after: 2d, 12h, 2026-09-07, 2026-09-07T12:00Z, … (UTC)",
    )  # fmt: skip
    group.add_argument(
        "--to", dest="end", type=arguments.time_argument, metavar="TIME", help="arrived before (default: now)"
    )
    group.add_argument("--families", metavar="FAMILY,…", help="only events of these families")
    group.add_argument("--types", metavar="EVENT_TYPE,…", help="only events of these types")
    parser.add_argument("--rewrite", action="store_true", help="also write items anew whose event is stored already")
    parser.add_argument("--dry-run", action="store_true", help="count, and estimate the cost; send nothing")
    parser.add_argument("--resume", metavar="RUN", help="continue an interrupted replay, with its selection")


def _replay(args: argparse.Namespace) -> int:
    from cli.replay import archived_objects
    from cli.replay.replay import find_queues
    from cli.replay.results import Results
    from cli.replay.run import save
    from cli.stack.stack import open_stack

    _check_usage(args)
    chosen = _chosen(args)
    stack = open_stack(args)
    s3, bucket = stack.client("s3"), _bucket(stack)
    run = _run(args, stack, bucket, chosen)
    queues = None if args.dry_run else find_queues(stack)
    objects = list(archived_objects.archived_objects(s3, bucket, run.start, run.end))
    if not objects:
        raise _nothing(run, archived_objects.oldest_hour(s3, bucket))
    if queues is None:
        return _dry_run(args, stack, bucket, run, objects)
    if not args.resume:
        save(s3, bucket, run)
    return _process(args, bucket, run, objects, queues, Results(s3, bucket, run))


def _check_usage(args: argparse.Namespace) -> None:
    from cli.errors import CommandError

    if args.resume:
        if args.start or args.end or args.families or args.types or args.rewrite:
            raise CommandError("--resume continues with the selection of its replay: pass no other one.")
    elif not args.start:
        raise CommandError("--from is missing: pass the time of arrival of the first events, such as 2026-09-01 or 2d.")


def _chosen(args: argparse.Namespace) -> dict[str, tuple[str, ...]]:
    """Return the families and types that the options name. Raises ``CommandError`` for one that does not exist."""
    from cli.catalogue import model
    from cli.errors import CommandError
    from cli.stack.stack import family

    chosen = {}
    if args.families:
        chosen["families"] = tuple(arguments.family_names(args.families))
    if args.types:
        chosen["types"] = tuple(arguments.event_type_names(args.types))
    for name in chosen.get("types", ()):
        its_family = family(model.load()[name].table_variable)
        if "families" in chosen and its_family not in chosen["families"]:
            raise CommandError(f"{name} is of the family {its_family}, which --families leaves out.")
    return chosen


def _bucket(stack: "Stack") -> str:
    """Return the bucket of the archive. Raises ``CommandError`` where the stack has no archive."""
    from cli.errors import CommandError

    if stack.parameters.get("ArchiveDays", "0") == "0":
        raise CommandError(
            f"the stack {stack.name} has no archive: its parameter ArchiveDays is 0. Deploy it with the number of days"
            " to keep events, for example `sam deploy --parameter-overrides ArchiveDays=400`: what arrives from then on"
            " can be replayed."
        )
    return stack.resource("Bucket", "bucket")


def _run(args: argparse.Namespace, stack: "Stack", bucket: str, chosen: dict[str, tuple[str, ...]]) -> "Run":
    """Return the run to resume, or a new one. Raises ``CommandError`` where it could store nothing."""
    from datetime import UTC, datetime

    from cli.errors import CommandError
    from cli.replay.run import Run, load, new_id

    if args.resume:
        return load(stack.client("s3"), bucket, args.resume)
    start, end = args.start.astimezone(UTC), (args.end or datetime.now(UTC)).astimezone(UTC)
    if start >= end:
        raise CommandError(f"--from ({start:%Y-%m-%dT%H:%M:%SZ}) must be before --to ({end:%Y-%m-%dT%H:%M:%SZ}).")
    run = Run(id=new_id(), start=start, end=end, rewrite=args.rewrite, **chosen)
    _check_deployed(stack, run)
    return run


def _check_deployed(stack: "Stack", run: "Run") -> None:
    from cli.errors import CommandError
    from cli.stack.stack import family

    deployed = {family(variable) for variable in stack.entity_tables}
    named = {*(run.families or ()), *(stack.catalogue[name].family for name in run.types or ())}
    if missing := sorted(named - deployed):
        raise CommandError(
            f"the stack {stack.name} does not store {', '.join(missing)}: these events would be ignored again."
            " Add the family to the parameter Families, deploy, then replay."
        )


def _nothing(run: "Run", oldest: str | None) -> Exception:
    from cli.errors import CommandError

    about = f"The oldest object is of {oldest} (UTC)." if oldest else "The archive is empty."
    return CommandError(f"nothing arrived from {run.start:%Y-%m-%dT%H:%M:%SZ} to {run.end:%Y-%m-%dT%H:%M:%SZ}. {about}")


def _dry_run(
    args: argparse.Namespace, stack: "Stack", bucket: str, run: "Run", objects: Sequence["ArchivedObject"]
) -> int:
    from cli.replay.estimate import SOURCES, estimate
    from cli.ui.output import info, print_json

    found = estimate(stack, bucket, run, objects)
    if args.json:
        selection = {name: value for name, value in run.as_json().items() if name != "run"}
        print_json({
            "dry_run": True, **selection,
            "objects": found.objects, "bytes": found.bytes, "lines": found.lines, "selected": found.selected,
            "is_exact": found.is_exact, "usd": round(found.usd, 6), "costs": [cost._asdict() for cost in found.costs],
            "sources": SOURCES,
        })  # fmt: skip
        return 0
    _print_estimate(found)
    info(SOURCES)
    info("Dry run: nothing was sent.")
    return 0


def _print_estimate(found: "Estimate") -> None:
    from cli.replay.estimate import SAMPLE_SIZE
    from cli.ui import output
    from cli.ui.output import plural, stdout

    about = "" if found.is_exact else f" (estimated from {SAMPLE_SIZE} of the objects)"
    stdout().print(
        f"{plural(found.objects, 'object')}, {found.bytes:,} bytes, {plural(found.lines, 'line')}, of which"
        f" {found.selected:,} would be processed{about}.",
        soft_wrap=True,
    )
    rows = [(cost.item, cost.arithmetic, f"{cost.usd:,.4f}") for cost in found.costs]
    stdout().print(output.table(("cost", "arithmetic", "USD#"), [*rows, ("at most", "", f"{found.usd:,.4f}")]))


def _process(
    args: argparse.Namespace,
    bucket: str,
    run: "Run",
    objects: Sequence["ArchivedObject"],
    queues: "Queues",
    results: "Results",
) -> int:
    from cli.replay.replay import replay
    from cli.ui import output
    from cli.ui.output import info, plural

    resume = _resume_command(args, run)
    info(f"Replay {run.id} of {plural(len(objects), 'object')}. To continue after an interruption: {resume}")
    keys = [archived.key for archived in objects]
    with output.progress(rate=True) as progress:
        task = progress.add_task("processing objects", total=len(keys))
        try:
            unfinished = replay(
                run, bucket, keys, queues, results,
                on_progress=lambda: progress.update(task, completed=len(results.finished)),
                on_stall=lambda: info(
                    "No object has finished for ten minutes. `canvas-events doctor` checks the function; its log says"
                    ' "object failed" or "retried", and why. Failing objects are tried again every six minutes.'
                ),
            )  # fmt: skip
        except BaseException:  # whatever ends it, what was done is reported
            progress.stop()
            _print_results(args, run, keys, results)
            info(f"Interrupted. What was sent is processed all the same. To send the rest and see the end: {resume}")
            raise
    _print_results(args, run, keys, results)
    if unfinished:
        _print_unfinished(unfinished, queues, resume)
    return 2 if unfinished else 0


def _print_results(args: argparse.Namespace, run: "Run", keys: Sequence[str], results: "Results") -> None:
    from cli.ui import output
    from cli.ui.output import plural, print_json, stdout
    from handlers.outcome import Fate

    totals = results.totals
    unfinished = [key for key in keys if key not in results.finished]
    if args.json:
        print_json({
            **run.as_json(),
            "objects": len(keys), "finished": len(keys) - len(unfinished), "unfinished": unfinished,
            "lines": totals.lines, "skipped": totals.skipped, "outcomes": totals.outcomes,
        })  # fmt: skip
        return
    fates = [fate.value for fate in Fate if fate is not Fate.RETRIED]
    rows = [(family, *(counts[fate] for fate in fates)) for family, counts in sorted(totals.outcomes.items())]
    if rows:
        all_families = ("all", *(sum(counts[fate] for counts in totals.outcomes.values()) for fate in fates))
        stdout().print(output.table(("family.", *(f"{fate}#" for fate in fates)), [*rows, all_families]))
    stdout().print(
        f"{len(keys) - len(unfinished):,} of {plural(len(keys), 'object')}: {plural(totals.lines, 'line')} ="
        f" {totals.skipped:,} skipped + {totals.processed:,} processed.",
        soft_wrap=True,
    )


def _print_unfinished(unfinished: Sequence[str], queues: "Queues", resume: str) -> None:
    from cli.ui.output import info, plural

    for key in unfinished[:MAX_NAMED]:
        info(key)
    if len(unfinished) > MAX_NAMED:
        info(f"… and {len(unfinished) - MAX_NAMED:,} more: --json has all of them.")
    info(
        f"{plural(len(unfinished), 'object')} did not finish. The dead-letter queue of objects has about"
        f" {plural(queues.dead_letters(), 'message')}, and the function's log says why they failed. Fix the cause, send"
        f" them again with `canvas-events dlq redrive --objects`, then count them with `{resume}`."
    )


def _resume_command(args: argparse.Namespace, run: "Run") -> str:
    """Return the command that continues a run on the same stack."""
    import shlex

    from cli.local.ministack import STACK

    options = ["--local"] if args.local else []
    for name, default in (("stack", STACK), ("region", None), ("profile", None)):
        if (value := getattr(args, name)) not in (None, default):
            options += [f"--{name}", value]
    return shlex.join(["canvas-events", "replay", "--resume", run.id, *options])
