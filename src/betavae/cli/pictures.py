"""Commands that show: `traverse`, `figure`, `report`, `explore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from betavae._system.errors import InputError, not_installed
from betavae.cli.apps import Named, RunFolder, app, run_or_pretrained
from betavae.studies.named_figures import listing


@app.command
def traverse(
    run_folder: RunFolder | None = None,
    /,
    *,
    pretrained: Named = None,
    out: Path | None = None,
    span: float = 3.0,
    steps: int = 11,
    data: str | None = None,
) -> None:
    """Draw what each latent does, over +-SPAN, as PNG and GIF.

    Example: betavae traverse runs/b4 --span 3
    Example: betavae traverse --pretrained shapes2d-settle --out pictures

    Args:
        out: Folder for the pictures. [default: the run folder]
        span: Latents run from -SPAN to SPAN.
        steps: Pictures a row.
        data: Where the run's images are, if no longer where they were.
    """
    from betavae.runs.traversals import write_traversals

    run_folder = run_or_pretrained(run_folder, pretrained)
    for path in write_traversals(run_folder, out=out, data=data, span=span, steps=steps):
        print(path)


def figure(
    name: str,
    /,
    *runs: Path,
    out: Annotated[Path, Parameter(name=("--out", "-o"))],
    rows: int = 50_000,
    seeds: int = 2,
    span: float = 3.0,
    steps: int = 11,
    latents: int = 16,
    seed: int = 0,
    data: str | None = None,
) -> None:
    """Draw a figure of the paper, or about a run; the numbers drawn go into a JSON beside it.

    Args:
        name: Which figure; see below.
        runs: Run folders of any method, a study's folder, or codes as `betavae encode` writes.
        out: The picture to write: .png, .svg or .pdf.
        rows: Images encoded, about; on a full grid, thinned evenly.
        seeds: Images that traversals start from.
        span: Latents run from -SPAN to SPAN.
        steps: Pictures a traversal.
        latents: Latents shown a run, at most.
        seed: Seed of every random choice.
        data: Where the runs' images are, if no longer where they were.
    """
    from betavae.runs.figure_options import FigureOptions
    from betavae.studies.named_figures import draw_figure

    options = FigureOptions(
        rows=rows, seeds=seeds, span=span, steps=steps, latents=latents, seed=seed, data=data
    )
    for path in draw_figure(name, runs, out, options):
        print(path)


# The names belong into the help, and stand in one place only.
app.command(
    figure,
    help=f"""{(figure.__doc__ or "").partition("Args:")[0].strip()}

    Example: betavae figure responses runs/b4 -o responses.png

    NAME is one of:

{listing()}
    """,
)


@app.command
def report(
    *runs: RunFolder,
    pretrained: Named = None,
    out: Path | None = None,
    data: str | None = None,
    open_it: Annotated[bool, Parameter(name="--open")] = False,
) -> None:
    """Write one self-contained HTML file: scores, responses, traversals to turn, curves, rates.

    Several runs are put side by side.

    Example: betavae report runs/b4
    Example: betavae report runs/b4 runs/b1 --out compared.html

    Args:
        out: The file to write. [default: report.html in the run, or beside several runs]
        data: Where the runs' images are, if no longer where they were.
        open_it: Open the report in the browser.
    """
    import webbrowser

    from betavae.report.write import write_report

    named = [] if pretrained is None and runs else [run_or_pretrained(None, pretrained)]
    path = write_report([*runs, *named], out=out, data=data)
    print(path)
    if open_it and not webbrowser.open(path.resolve().as_uri()):
        raise InputError(f"no browser to open {path} with; open the file by hand")


@app.command
def explore(
    run_folder: RunFolder | None = None,
    other: Annotated[Path | None, Parameter(help="A second run to compare with.")] = None,
    /,
    *,
    pretrained: Named = None,
    data: str | None = None,
    host: str = "127.0.0.1",
    port: int = 8600,
    browser: Annotated[bool, Parameter(negative="--no-browser")] = True,
    export: Path | None = None,
) -> None:
    """Turn a run's latents by hand in the browser; needs the extra `app`.

    The page is served to this machine only, and loads nothing from elsewhere.

    Example: betavae explore runs/b4
    Example: betavae explore --pretrained shapes2d-settle
    Example: betavae explore runs/b4 --export page.html
    Example: betavae explore runs/b4 runs/b1 --port 9000 --no-browser

    Args:
        data: Where the runs' images are, if no longer where they were.
        host: Address to listen on; other than loopback, others on the network can look too.
        port: Port to listen on; 0 takes a free one.
        browser: Open the page in the browser.
        export: Write the explorer as this one HTML file instead: it runs the decoder in the
            browser, without a server or a network.
    """
    first = run_or_pretrained(run_folder, pretrained)
    if export is not None:
        from betavae.app.static_page import export_page

        if other is not None:
            raise InputError("--export takes one run")
        print(export_page(first, export, data=data))
        return
    try:
        from betavae.app.server import serve
    except ModuleNotFoundError as error:
        raise not_installed("explore", str(error.name), "app") from None
    serve(
        [first] if other is None else [first, other],
        data=data,
        host=host,
        port=port,
        browser=browser,
    )


@app.command
def watch(
    run_folder: RunFolder,
    /,
    *,
    data: str | None = None,
    port: int = 8601,
    browser: Annotated[bool, Parameter(negative="--no-browser")] = True,
) -> None:
    """Show the report of a running training in the browser, made anew as it goes on.

    The page is served to this machine only, and loads nothing from elsewhere; needs the extra
    `app`. A new checkpoint (--checkpoint-every) makes the report anew.

    Example: betavae watch runs/b4

    Args:
        data: Where the run's images are, if no longer where they were.
        port: Port to listen on; 0 takes a free one.
        browser: Open the page in the browser.
    """
    try:
        from betavae.app.watch import watch as serve_report
    except ModuleNotFoundError as error:
        raise not_installed("watch", str(error.name), "app") from None
    serve_report(run_folder, data=data, port=port, browser=browser)
