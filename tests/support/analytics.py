"""The SQL of docs/analytics.md."""

import re

import sqlglot
from sqlglot import expressions

from cli.catalogue.generated import ROOT

_DOCUMENT = ROOT / "docs" / "analytics.md"
_SQL = re.compile(r"^```sql\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def statements(heading: str) -> list[str]:
    """Return the SQL blocks of a section, its subsections included."""
    text = _DOCUMENT.read_text(encoding="utf-8")
    found = re.search(rf"^(#+) {re.escape(heading)}$(.*)", text, re.MULTILINE | re.DOTALL)
    assert found, heading
    section = re.split(rf"^#{{1,{len(found[1])}}} ", found[2], flags=re.MULTILINE)[0]
    return _SQL.findall(section)


def questions() -> dict[str, str]:
    """Return the questions in words, with their SQL for both engines."""
    text = _DOCUMENT.read_text(encoding="utf-8").partition("### Questions\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\*\*(.+?)\*\*.*?^```sql\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


def athena_columns() -> list[str]:
    """Return the columns of the archive's table in Athena, those of its partitions at the end."""
    return [column.name for column in _column_definitions() if isinstance(column.parent, expressions.Schema)]


def athena_metadata() -> list[str]:
    """Return the members of its column ``metadata``."""
    return [column.name for column in _column_definitions() if isinstance(column.parent, expressions.DataType)]


def _column_definitions() -> list[expressions.ColumnDef]:
    table = sqlglot.parse_one(statements("Athena")[0], read="athena")
    assert isinstance(table, expressions.Create)
    return list(table.find_all(expressions.ColumnDef))
