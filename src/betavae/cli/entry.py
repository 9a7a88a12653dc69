"""Run the command line: what went wrong ends in one line and an exit code."""

from __future__ import annotations

import os
import sys
from inspect import cleandoc
from typing import NoReturn

from cyclopts import CycloptsError, UnknownOptionError
from pydantic import ValidationError

from betavae._system.errors import InputError, RankFailed, closest
from betavae._system.launch import check_command, launched
from betavae._system.text import printable
from betavae.cli.apps import app


def run(arguments: list[str] | None = None) -> None:
    """Run the command line: bad input ends in one line on stderr and exit code 2."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        check_command(words[0] if words else "")
        if words[:1] == ["train"]:
            words = _prepared(words)
        app(words, exit_on_error=False, print_error=False, result_action="return_value")
    except RankFailed as error:
        rank = launched().rank
        _fail(f"rank {rank}: {error}" if rank else str(error), 2)
    except InputError as error:
        _fail_once(str(error), 2)
    except UnknownOptionError as error:
        _fail_once(_unknown(error), 2)
    except CycloptsError as error:
        cause = error.__cause__
        if isinstance(cause, ValidationError):
            from betavae.config import Config, explain

            _fail_once(explain(cause, Config), 2)
        _fail_once(str(error), 2)
    except KeyboardInterrupt as stop:
        _fail_once(str(stop) or "stopped", 130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away (`| head`): nothing to say
        sys.exit(0)
    except OSError as error:
        _fail_once(f"{error.filename or ''}: {error.strerror or error}".removeprefix(": "), 2)


def _prepared(words: list[str]) -> list[str]:
    """Load the command `train`, with its whole help, and spell its options out."""
    from betavae.cli.options import spelled_out
    from betavae.cli.train import train

    app["train"].help = cleandoc(train.__doc__ or "").partition("\nArgs:")[0]
    return spelled_out(words)


def _unknown(error: UnknownOptionError) -> str:
    """Say that there is no such option, and name the closest one."""
    given = (error.token.keyword or error.token.value).partition("=")[0]
    names = [name for argument in error.argument_collection for name in argument.names]
    near = closest(given, names)
    return f"Unknown option: {given}." + (f" Did you mean {near}?" if near else "")


def _fail_once(message: str, code: int) -> NoReturn:
    """Fail with what all processes of a machine say alike: the first of them says it."""
    if os.environ.get("WORLD_SIZE", "1") == "1" or os.environ.get("LOCAL_RANK", "0") == "0":
        _fail(message, code)
    sys.exit(code)


def _fail(message: str, code: int) -> NoReturn:
    print(f"betavae: {' '.join(printable(message).split())}", file=sys.stderr)
    sys.exit(code)
