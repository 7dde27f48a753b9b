"""The generated files: schemas, types, template blocks, pages of the documentation and the sample invocations."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cli.catalogue import configuration, json_schema, model, reference, template, typed_bodies, usage
from cli.catalogue.samples import EVENTS, INVOCATION_BUILDERS, invocation_files, read_json
from cli.cost import document as cost
from cli.errors import CommandError
from handlers.items.event_types import NOT_KEPT_FILE, SCHEMAS_DIR

ROOT = SCHEMAS_DIR.parent


def files() -> dict[Path, str]:
    """Return the content of every generated file.

    Raises ``CommandError`` for an event type of the catalogue that has no sample event, and as
    ``template.text`` does.
    """
    invocations = {path: json_schema.text(document) for path, document in invocation_files()}
    not_kept = {SCHEMAS_DIR / NOT_KEPT_FILE: "".join(f"{name}\n" for name in sorted(model.not_kept()))}
    texts = {module.FILE: module.text() for module in (template, typed_bodies, configuration, usage, cost)}
    return dict(_schemas()) | not_kept | invocations | texts | reference.files()


def stale() -> list[Path]:
    """Return the generated files that are missing or out of date, and files that are no longer generated."""
    wanted = files()
    out_of_date = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    folders = (SCHEMAS_DIR, reference.FOLDER, *(EVENTS / source for source in INVOCATION_BUILDERS))
    generated = (path for folder in folders for path in folder.glob("*") if path.suffix in (".json", ".md"))
    left_over = [path for path in generated if path not in wanted]
    return sorted(out_of_date + left_over)


def write() -> list[Path]:
    """Write the files that are out of date and delete those that are no longer generated; return both."""
    wanted, changed = files(), stale()
    for path in changed:
        if path in wanted:
            path.parent.mkdir(exist_ok=True)
            path.write_text(wanted[path])
        else:
            path.unlink()
    return changed


def _schemas() -> Iterator[tuple[Path, str]]:
    for name, event_type in model.load().items():
        yield SCHEMAS_DIR / f"{name}.json", json_schema.text(json_schema.schema(event_type, _sample(name)))


def _sample(event_type: str) -> Any:
    try:
        return read_json(EVENTS / "samples" / f"{event_type}.json")
    except FileNotFoundError:
        raise CommandError(
            f"{event_type} is in the catalogue but has no sample event. Add one, with fictional people, as"
            f" events/samples/{event_type}.json: it becomes the example in the schema and is used by the tests."
        ) from None


def run(*, check: bool, as_json: bool = False) -> int:
    """The command: write the generated files, or with ``check`` only report those that are out of date."""
    template_blocks = template.stale_blocks()
    blocks = ", ".join(template_blocks)
    changed = stale() if check else write()
    if as_json:
        names = [str(path.relative_to(ROOT)) for path in changed]
        print(json.dumps({"out_of_date" if check else "written": names, "template_blocks": template_blocks}, indent=2))
        return 1 if check and changed else 0
    for path in changed:
        in_file = f" ({blocks})" if path == template.FILE else ""
        print(f"{'out of date' if check else 'written'}: {path.relative_to(ROOT)}{in_file}")
    if check and changed:
        print("Run `make generate` and commit the result.")
        return 1
    print(f"{len(files())} generated files match schemas/catalogue and events/samples.")
    return 0
