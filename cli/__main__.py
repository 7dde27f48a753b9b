"""The command line: ``canvas-events --help``, or ``python -m cli --help``."""

import contextlib
import errno
import io
import os
import signal
import sys
from collections.abc import Sequence

from cli import commands
from cli.errors import CommandError
from cli.ui import output

_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    _exit_on_signals()
    _escape_what_cannot_be_encoded()
    try:
        return _run(arguments)
    except CommandError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader has closed the pipe
        _discard_output()
        return 141
    except OSError as error:
        _discard_output()
        return _fail(_describe_os_error(error))
    except Exception as error:  # the errors of AWS and of the handlers, whose classes take long to import
        sentence = _describe(error)
        if sentence is None:
            raise
        return _fail(sentence)


def _run(arguments: Sequence[str]) -> int:
    try:
        args = commands.parser(arguments[:1]).parse_args(arguments)
        status: int = args.command(args)
    finally:
        sys.stdout.flush()  # also after --help, which ends with SystemExit
    return status


def _discard_output() -> None:
    """Drop what cannot be written, which Python would otherwise report once more when it flushes at exit."""
    with contextlib.suppress(io.UnsupportedOperation):  # not a file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _exit_on_signals() -> None:
    """Exit as on an exception, so that whatever the command has started is stopped."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, lambda received, _: sys.exit(128 + received))


def _escape_what_cannot_be_encoded() -> None:
    r"""Write ``\u2026`` instead of failing where the terminal or the file is not in UTF-8."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _describe_os_error(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    remedy = " What was to be written is incomplete: free space, and run the command again."
    return f"{where}{error.strerror or error}.{remedy if error.errno in _DISK_ERRORS else ''}"


def _describe(error: Exception) -> str | None:
    """The sentence for an error that AWS, the catalogue or the settings raise; None for a bug."""
    # Imported only here, since botocore takes longer to import than most commands run.
    from cli.ui import aws_errors
    from handlers.items.event_types import SchemaFileError
    from handlers.settings import SettingsError

    if isinstance(error, SchemaFileError | SettingsError):
        return str(error)
    return aws_errors.describe(error)


def _fail(text: str) -> int:
    print(f"error: {output.visible_lines(text)}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
