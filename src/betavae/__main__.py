"""``python -m betavae``."""

from __future__ import annotations


def main() -> None:
    """Run the command line; what a terminal's encoding lacks is printed as a question mark."""
    import sys

    from betavae.cli import run

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    run()


if __name__ == "__main__":
    main()
