"""The subset of the AWS CLI that the documented commands use, against a local stack; their shell runs it as ``aws``.

The AWS CLI itself cannot be installed beside the tests, because each of its versions requires one version of botocore.
"""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import jmespath  # type: ignore[import-untyped]
from botocore import xform_name

from cli.local.ministack import LocalAws
from tests.support.template_helpers import ROOT


def run_commands(commands: str, aws: LocalAws, folder: Path) -> str:
    """Run shell commands of a document with the folder of the project as the current one; returns what they print.

    ``folder`` is for the program ``aws``. Raises ``CalledProcessError`` when a command fails.
    """
    program = folder / "aws"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m {__name__} "$@"\n')
    program.chmod(0o755)
    environment = os.environ | aws.environment() | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    shell = ["bash", "-euo", "pipefail", "-c", commands]
    done = subprocess.run(shell, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def main(arguments: list[str]) -> None:
    """Run one command, such as ``dynamodb delete-table --table-name x``, and print the result.

    Raises ``ValueError`` for an option that the operation does not have.
    """
    service, operation, *rest = arguments
    client = boto3.Session().client(service)  # type: ignore[call-overload]  # a service by its name
    if operation == "wait":
        waiter = client.get_waiter(rest[0].replace("-", "_"))
        waiter.wait(**_parameters(client, waiter.config.operation, rest[1:])[0])
        return
    python_name = operation.replace("-", "_")
    parameters, options = _parameters(client, client.meta.method_to_api_mapping[python_name], rest)
    response = getattr(client, python_name)(**parameters)
    response.pop("ResponseMetadata", None)
    result = jmespath.search(options["query"], response) if "query" in options else response
    if options.get("output") == "text":
        print(_as_text(result))
    elif result:
        print(json.dumps(result, default=str))


def _parameters(client: Any, operation: str, arguments: list[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the parameters of the operation, and the options ``query`` and ``output``."""
    members = client.meta.service_model.operation_model(operation).input_shape.members
    names = {f"--{xform_name(name, '-')}": name for name in members}
    parameters: dict[str, Any] = {}
    options: dict[str, str] = {}
    words = iter(arguments)
    for word in words:
        negated = word.replace("--no-", "--", 1)
        if word in ("--query", "--output"):
            options[word.removeprefix("--")] = next(words)
        elif negated in names and members[names[negated]].type_name == "boolean":
            parameters[names[negated]] = word == negated
        elif word in names:
            value = next(words)
            parameters[names[word]] = Path(value[7:]).read_text() if value.startswith("file://") else value
        else:
            raise ValueError(f"aws {operation} has no option {word}")
    return parameters, options


def _as_text(result: Any) -> str:
    """Return rows as lines and columns between tabs, as ``--output text`` does."""
    if isinstance(result, list):
        is_table = any(isinstance(item, list) for item in result)
        return ("\n" if is_table else "\t").join(map(_as_text, result))
    return "None" if result is None else str(result)


if __name__ == "__main__":
    main(sys.argv[1:])
