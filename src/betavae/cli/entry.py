"""Run the command line: what went wrong ends in one line and an exit code."""

from __future__ import annotations

import sys

from cyclopts import CycloptsError
from pydantic import ValidationError

from betavae.cli.apps import app
from betavae.config import explain
from betavae.errors import InputError


def run(arguments: list[str] | None = None) -> None:
    """Run the command line: bad input ends in one line on stderr and exit code 2."""
    words = _spelled_out(sys.argv[1:] if arguments is None else arguments)
    try:
        app(words, exit_on_error=False, print_error=False, result_action="return_value")
    except InputError as error:
        _fail(str(error), 2)
    except CycloptsError as error:
        cause = error.__cause__
        _fail(explain(cause) if isinstance(cause, ValidationError) else str(error), 2)
    except KeyboardInterrupt as stop:
        _fail(str(stop) or "stopped", 130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away (`| head`): nothing to say
        sys.exit(0)
    except OSError as error:
        _fail(f"{error.filename or ''}: {error.strerror or error}".removeprefix(": "), 2)


def _spelled_out(words: list[str]) -> list[str]:
    """Write `--objective NAME` as `--objective.name NAME`, so that its options can follow."""
    short, full = "--objective", "--objective.name"
    return [full + word[len(short) :] if word.split("=")[0] == short else word for word in words]


def _fail(message: str, code: int) -> None:
    print(f"betavae: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)
