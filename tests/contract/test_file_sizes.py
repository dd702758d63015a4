"""One file tells one story, in at most 500 lines; exceptions may only become fewer and shorter."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST_LINES = 500
EXCEPTIONS: dict[str, int] = {}  # path -> the lines it has now


def num_lines() -> dict[str, int]:
    """The lines of every file that people read as code."""
    return {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for folder in ("src", "tests", "scripts", "benchmarks")
        for suffix in ("py", "js", "css")
        for path in (ROOT / folder).rglob(f"*.{suffix}")
    }


def test_every_file_is_short_enough_to_read():
    lines = num_lines()
    assert lines
    assert {path: n for path, n in lines.items() if n > EXCEPTIONS.get(path, MOST_LINES)} == {}


def test_the_exceptions_are_still_ones():
    lines = num_lines()
    assert {path: lines.get(path) for path in EXCEPTIONS} == EXCEPTIONS
    assert all(n > MOST_LINES for n in EXCEPTIONS.values())
