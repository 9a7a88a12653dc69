"""``python -m betavae``."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from betavae.cli import run

    run()


if __name__ == "__main__":
    main()
