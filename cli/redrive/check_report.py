"""Print what a dry run has against records from files."""

from collections.abc import Iterable, Sequence
from typing import Any

from cli.redrive.dry_run import DryRun, Evaluation
from cli.redrive.event_files import FileRecord
from cli.ui import messages, output
from cli.ui.output import stdout, text

MAX_RECORDS_WITHOUT_PROGRESS = 1_000  # which take a fraction of a second


def evaluate(records: Iterable[FileRecord], dry_run: DryRun) -> list[tuple[FileRecord, Evaluation]]:
    """Evaluate records, with progress; return each with its evaluation."""
    records = list(records)
    with output.progress(long=len(records) > MAX_RECORDS_WITHOUT_PROGRESS) as progress:
        tracked = progress.track(records, description="checking")
        return [(record, dry_run.evaluate(record.data)) for record in tracked]


def print_problems(evaluated: Iterable[tuple[FileRecord, Evaluation]], dry_run: DryRun) -> None:
    """Print each record that would be rejected or retried, with every rule that it breaks and what to do."""
    console = stdout()
    for record, evaluation in evaluated:
        if evaluation.is_storable or evaluation.is_ignored:
            continue
        outcome = evaluation.outcome
        line = text(record.location, "bold").append(f"  {evaluation.cause}  ", "red")
        console.print(line.append_text(text(outcome.event_name or "")), soft_wrap=True)
        remedy = messages.REMEDIES.get(evaluation.cause or "", "")
        for remark in (*_errors(evaluation, dry_run), *([remedy] if remedy else [])):
            console.print(text(f"    {remark}"), soft_wrap=True)


def as_json(evaluated: Sequence[tuple[FileRecord, Evaluation]], dry_run: DryRun) -> list[dict[str, Any]]:
    """Return the evaluation of each record as JSON-serializable values."""
    return [
        {
            "location": record.location,
            "event_name": evaluation.outcome.event_name,
            "fate": evaluation.outcome.fate,
            "reason": evaluation.cause,
            "errors": _errors(evaluation, dry_run),
            "unknown_fields": evaluation.outcome.drift.unknown_field_count,
            "items": [{"table": item.table_variable, **dict(item.key)} for item in evaluation.items]
            if evaluation.is_storable
            else [],
        }
        for record, evaluation in evaluated
    ]


def _errors(evaluation: Evaluation, dry_run: DryRun) -> list[str]:
    event_type = dry_run.event_types.get(evaluation.outcome.event_name or "")
    return [messages.describe_violation(violation, event_type) for violation in evaluation.outcome.violations]
