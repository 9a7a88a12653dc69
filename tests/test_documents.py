"""Documents: what of them is run, and that nothing in them is passed over in silence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import run_documents
from api_pages import readable
from documents import BadDocument, Block, blocks, example

ROOT = Path(__file__).parents[1]
PAGES = [path for path in run_documents.every_page() if path.suffix == ".md"]


def only(text: str) -> Block:
    (block,) = blocks(text, "page.md")
    return block


def test_python_is_one_piece_and_shell_goes_by_lines() -> None:
    text = "Words.\n\n```python\na = 1\nb = 2\n```\n\n"
    text += "```sh\none  # why\n\n# nothing\ntwo \\\n  --x 3\n```\n"
    python, shell = blocks(text, "page.md")
    assert python.commands == [(4, "a = 1\nb = 2")]
    assert shell.commands == [(9, "one  # why"), (12, "two --x 3")]


def test_a_block_in_a_list_loses_its_indentation() -> None:
    assert only("- words\n\n  ```python\n  if 1:\n      a = 2\n  ```\n").code == "if 1:\n    a = 2"


def test_only_what_is_typed_is_taken_from_a_session() -> None:
    assert only("```console\n$ one\nits output\n$ two\n```\n").code == "one\ntwo"
    assert only("```pycon\n>>> for k in x:\n...     y\n1\n```\n").code == "for k in x:\n    y"


@pytest.mark.parametrize("comment", ["<!-- quick: 900 -> 9 -->", "<!-- quick:\n900 -> 9\n-->"])
def test_quick_replaces_text_in_the_next_block_alone(comment: str) -> None:
    text = f"{comment}\n```sh\nrun --n 900\n```\n\n```sh\nrun --n 900\n```\n"
    assert [block.code for block in blocks(text, "page.md")] == ["run --n 9", "run --n 900"]


def test_what_is_not_run_says_why() -> None:
    block = only("<!-- not run: needs\na GPU -->\n```sh\none\ntwo\n```\n")
    assert block.why_not == "needs a GPU"
    assert len(block.commands) == 2


def test_a_file_is_written_and_a_setup_is_run_unseen() -> None:
    text = "<!-- file: run.toml -->\n```toml\nbeta = 4\n```\n\n<!-- setup\na = 1\nb = a\n-->\n"
    file, setup = blocks(text, "page.md")
    assert (file.file, file.code) == ("run.toml", "beta = 4")
    assert (setup.line, setup.code, setup.hidden) == (7, "a = 1\nb = a", True)


def test_what_is_shown_only_and_other_comments_are_left_alone() -> None:
    assert (
        blocks("<!-- a note -->\n```text\nbetavae\n```\n\n```toml\na = 1\n```\n", "page.md") == []
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```sh\nbetavae train\n", "page.md:1: this block of code does not end"),
        ("<!-- not run: x\n", "page.md:1: this comment does not end"),
        ("<!-- not run: -->\n```sh\na\n```\n", "page.md:1: say why this is not run"),
        ("<!-- not run: x -->\nWords.\n", "page.md:1: no block of code follows"),
        ("<!-- quick: x -->\n```sh\na\n```\n", "quick needs OLD -> NEW, got 'x'"),
        ("<!-- quick: b -> c -->\n```sh\na\n```\n", "page.md:3: nothing in this block is 'b'"),
        ("```shel\nbetavae train\n```\n", "the language of this block must be sh, python or"),
        ("```\nbetavae train\n```\n", "got ''"),
        ("<!-- not run: x -->\n```json\n1\n```\n", "without a comment before it, got 'json'"),
        ("Words:\n\n    betavae train\n", "page.md:3: put this command into a ```sh block"),
    ],
)
def test_nothing_is_passed_over_in_silence(text: str, message: str) -> None:
    with pytest.raises(BadDocument, match=re.escape(message)):
        blocks(text, "page.md")


def run(tmp_path: Path, text: str) -> dict[str, object]:
    page = tmp_path / "page.md"
    page.write_text(text)
    return run_documents.in_a_process(lambda: run_documents.run_page(page, blocks(text, "page.md")))


def test_blocks_share_names_and_files_and_are_counted(tmp_path: Path) -> None:
    text = (
        "<!-- setup\nk = 3\n-->\n<!-- file: in.txt -->\n```text\nhello\n```\n"
        "```python\nn = k + len(open('in.txt').read())\n```\n"
        "```sh\ncp in.txt out.txt\ntest -f out.txt   # is there\n```\n"
        "```python\nassert n == 9 and open('out.txt').read() == 'hello\\n'\n```\n"
        "<!-- not run: no printer -->\n```sh\nlp out.txt\nlpq\n```\n"
    )
    assert run(tmp_path, text) == {
        "run": 4, "left": ["line 20: no printer", "line 21: no printer"], "error": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("code", "where", "what"),
    [
        ("```python\n\nraise ValueError('broken')\n```", "line 2", "ValueError: broken"),
        ("```sh\ntrue\necho words; exit 3\n```", "line 3", "exit code 3"),
        ("```sh\nbetavae score nowhere\n```", "line 2", "nowhere is not a run folder"),
        ("```python\nimport os\nos._exit(9)\n```", "", "the page's process ended"),
    ],
)
def test_a_failure_names_the_line_and_shows_what_was_printed(
    tmp_path: Path, code: str, where: str, what: str
) -> None:
    error = str(run(tmp_path, code + "\n")["error"])
    assert where in error
    assert what in error


def test_the_counts_of_all_pages_and_a_failure_s_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "good.md", tmp_path / "bad.md"
    good.write_text("```sh\ntrue\n```\n<!-- not run: slow -->\n```sh\nsleep 9\n```\n")
    bad.write_text("```python\na = 1\n```\n```sh\nfalse\n```\n")
    monkeypatch.setattr(run_documents, "import_what_pages_need", lambda: None)
    monkeypatch.setattr("sys.argv", ["run_documents.py", str(good)])
    assert run_documents.main() == 0
    assert "total: 1 run, 1 not run, 0 pages failed" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["run_documents.py", str(good), str(bad)])
    assert run_documents.main() == 1
    shown = capsys.readouterr().out
    assert "  line 6: slow" in shown
    assert "FAILED line 5: false" in shown
    assert "total: 2 run, 1 not run, 1 pages failed" in shown
    bad.write_text("<!-- not run: -->\n```sh\nfalse\n```\n")
    assert run_documents.main() == 1
    assert "bad.md:1: say why this is not run" in capsys.readouterr().out


def test_a_traceback_names_the_page_s_own_line(tmp_path: Path) -> None:
    error = str(run(tmp_path, "Words.\n\n```python\na = 1\na.b\n```\n")["error"])
    assert 'page.md", line 5' in error


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("train x --images=9000 --beta 4", "train x --beta 4 --images 64"),
        ("train x --images 9000", "train x --images 64"),
        ("train --help", "train --help"),
        ("train x --method pca", "train x --method pca"),
        ("explore r --port 9000 --no-browser", "explore r --no-browser --port 0"),
        ("study dual --out d", "study dual --out d --images 64"),
        ("score r --images 9", "score r --images 9"),
    ],
)
def test_long_commands_are_shortened_alike_everywhere(words: str, expected: str) -> None:
    assert " ".join(run_documents.quick(words.split())[1]) == expected


def test_what_testing_md_says_is_shortened_is_what_is() -> None:
    rows = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8").splitlines()
    for command, options in run_documents.QUICK.items():
        (row,) = (row for row in rows if f"`betavae {command} ...`" in row)
        for option, value in options.items():
            assert f"{option} {value or ''}".strip() in row


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_page_can_be_followed_and_its_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    blocks(text, page.name)
    unrun = re.findall(r"^```text\n(.*?)^```", text, re.M | re.S)
    if page.name != "commands.md":  # which the program writes
        assert not re.search(r"^(betavae|make|pip|python) ", "".join(unrun), re.M), page.name
    shown = re.sub(r"```.*?```|<!--.*?-->|`[^`\n]*`", "", text, flags=re.DOTALL)
    for link, place in re.findall(r"\]\(([^)#\s]*)#?([^)]*)\)", shown):
        if "://" in link or page.name == "RECORDS.md":
            continue
        target = page.parent / link if link else page
        assert target.exists(), f"{page.name} links to {link}"
        assert not place or place in headings(target), f"{page.name} links to {link}#{place}"


# Sites that documents and data sets lead to; each address was looked up, none is guessed.
ELSEWHERE = {
    "cs.nyu.edu", "download.pytorch.org", "faces.dmi.unibas.ch", "github.com", "huggingface.co",
    "fashion-mnist.s3-website.eu-central-1.amazonaws.com", "keepachangelog.com",
    "mmlab.ie.cuhk.edu.hk", "openreview.net", "semver.org", "storage.googleapis.com",
    "www.apache.org", "www.contributor-covenant.org", "www.di.ens.fr", "www.pymvpa.org",
    "www.scottreed.info", "www.w3.org", "yann.lecun.com",
}  # fmt: skip
HERE = {"127.0.0.1", "localhost"}


def test_no_address_is_made_up() -> None:
    """The project itself has no public address yet: that is said, and none is invented."""
    places = [
        *ROOT.glob("*.md"), *ROOT.glob("*.toml"), *ROOT.glob("*.cff"), ROOT / "Makefile",
        *(ROOT / "docs").rglob("*.md"), *(ROOT / ".github").rglob("*.*"),
        *(ROOT / "examples").glob("*.*"), *(ROOT / "benchmarks").glob("*.py"),
        *(ROOT / "src").rglob("*.py"), *(ROOT / "src").rglob("*.j2"),
    ]  # fmt: skip
    for place in places:
        text = place.read_text(encoding="utf-8")
        for host, path in re.findall(r"https?://([\w.-]+)([^\s)>\"'`]*)", text):
            assert host in ELSEWHERE | HERE, f"{place.name}: {host}"
            assert "betavae" not in path.lower(), f"{place.name}: {host}{path}"
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    urls = project.split("[project.urls]\n")[1].split("\n\n")[0]
    assert re.findall(r"^(\w+) = ", urls, re.M) == ["Paper"]
    for name in ("README.md", "SECURITY.md", "CITATION.cff", "pyproject.toml", "zensical.toml"):
        assert "pending" in (ROOT / name).read_text(encoding="utf-8"), name


def headings(page: Path) -> set[str]:
    """The anchors of a page, as the site and the usual forges make them."""
    found = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    kept = [re.sub(r"[^\w\s-]", "", heading.lower()).strip() for heading in found]
    return {re.sub(r"[\s]+", "-", heading) for heading in kept}


def test_an_example_is_shortened_by_its_own_lines() -> None:
    found = example("# quick: N = 900 -> N = 9\n# quick: x -> y\nN = 900\nx\n", "a.py")
    assert (found.line, found.code) == (1, "\n\nN = 9\ny")
    with pytest.raises(BadDocument, match="nothing in this block is 'M = 3'"):
        example("# quick: M = 3 -> M = 1\nN = 900\n", "a.py")
    with pytest.raises(BadDocument, match="quick needs OLD -> NEW"):
        example("# quick: N = 9\nN = 900\n", "a.py")


def test_every_example_says_how_to_run_it_and_is_run() -> None:
    files = sorted((ROOT / "examples").glob("*.py"))
    assert set(files) <= set(run_documents.every_page())
    for file in files:
        assert f"Run: python examples/{file.name}\n" in file.read_text(encoding="utf-8")
    lines = (ROOT / "examples" / "train.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 125


def test_the_front_page_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 120


def test_every_page_is_in_the_menu() -> None:
    menu = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    docs = ROOT / "docs"
    for page in docs.rglob("*.md"):
        assert f'"{page.relative_to(docs).as_posix()}"' in menu


def test_findings_begin_with_three_lines_that_say_what_came_out() -> None:
    pages = set((ROOT / "docs" / "findings").glob("*.md"))
    for page in sorted(pages - {ROOT / "docs" / "findings" / "index.md"}):
        title, summary = page.read_text(encoding="utf-8").split("\n\n")[:2]
        assert title.startswith("# "), page.name
        assert [line[:2] for line in summary.splitlines()] == ["- "] * 3, page.name


def test_every_term_of_an_objective_is_on_the_page_of_the_training_log() -> None:
    page = (ROOT / "docs" / "training-log.md").read_text(encoding="utf-8")
    objectives = (ROOT / "src" / "betavae" / "objectives").glob("*.py")
    source = "".join(path.read_text(encoding="utf-8") for path in objectives)
    found = re.findall(r"(?:Terms\.of\([^)]*|values[^=\n]* = )(\{[^}]*\})", source)
    terms = {name for text in found for name in re.findall(r'"(\w+)":', text)}
    assert {"tc_estimate", "changed_latents", "excess", "fresh_beta", "gamma"} <= terms
    assert not {name for name in terms if f"`{name}`" not in page}


def test_writing_one_s_own_objective_takes_ten_lines() -> None:
    page = (ROOT / "docs" / "objectives.md").read_text(encoding="utf-8")
    section = page.split("## Your own in ten lines")[1].split("\n## ")[0]
    (block,) = (block for block in blocks(section, "objectives.md") if block.is_python)
    assert sum(1 for line in block.code.splitlines() if line.strip()) <= 10


def test_every_public_module_is_in_the_api() -> None:
    pages = (ROOT / "docs" / "api").glob("*.md")
    named = {
        name
        for page in pages
        for name in re.findall(r"^::: betavae\.(\w+)", page.read_text(), re.M)
    }
    there = {path.stem for path in (ROOT / "src" / "betavae").iterdir()}
    there -= {"__init__", "__main__", "__pycache__", "py", "templates"}
    assert named == there


def test_examples_in_docstrings_become_code() -> None:
    text = "Add one.\n\n>>> add(\n...     1)\n2\n\nSource: Peano.\n\n    >>> add(2)\n    3"
    assert readable(text) == (
        "Add one.\n\n```pycon\n>>> add(\n...     1)\n2\n```\n\nSource: Peano.\n\n"
        "    ```pycon\n    >>> add(2)\n    3\n    ```"
    )


def test_products_in_docstrings_are_no_italics() -> None:
    assert readable("(N, H*W*C), `a*b*c`, ``d*e``, *so*") == (
        r"(N, H\*W\*C), `a*b*c`, ``d*e``, *so*"
    )
