"""`nonette evaluate`: an exam for a model, read by a judge that never sees a sentence.

`scenes` draws the exam, judges it and writes report.md, report.json and failures.png. `blind` puts
pictures of the same exam onto numbered pages for a person, and compares the filled-in table with
the judge. `edits`, `enlarging` and `steps` have files of their own. Drawings are kept in the output
folder: the same command goes on where it was cut short.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nonette.cli import _edits_exam, _enlarging_exam, _files, _steps_exam
from nonette.cli import _exam as options
from nonette.cli._progress import ProgressBar
from nonette.core.errors import InputError

if TYPE_CHECKING:
    from nonette.evaluation.blind import Agreement
    from nonette.evaluation.scenes import Result

app = typer.Typer(
    help="Measure how well a model draws what it is asked.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

PICTURES, QUICK_PICTURES = 324, 72  # a category
FEWEST_PICTURES = 36  # a category: two scenes, each in two languages, nine pictures each
REPORT, NUMBERS, FAILURES = "report.md", "report.json", "failures.png"
TABLE, PICKS, AGREEMENT = "answers.csv", "picks.json", "agreement.json"

app.command("edits")(_edits_exam.edits)
app.command("enlarging")(_enlarging_exam.enlarging)
app.command("steps")(_steps_exam.steps)

Pictures = Annotated[
    int | None,
    typer.Option(help=f"Pictures a category. [default: {PICTURES}, --quick: {QUICK_PICTURES}]"),
]


@app.command("scenes")
def scenes(
    model: options.Model = "",
    judge: options.JudgeName = options.JUDGE,
    output: options.Output = None,
    seed: options.Seed = 0,
    quick: options.Quick = False,
    pictures: Pictures = None,
    threads: options.Threads = None,
    force: options.Force = False,
    as_json: options.AsJson = False,
) -> None:
    """Measure scene accuracy: objects, counts, colours, places, materials, settings, styles."""
    num_scenes = _scenes_per_category(pictures, quick)
    with ProgressBar() as progress:
        room = options.open_room(model, judge, output, seed, num_scenes, threads)
        paths = {name: room.folder / name for name in (REPORT, NUMBERS, FAILURES)}
        for path in paths.values():
            _files.check(path, "--output", force)

        from nonette.evaluation import report
        from nonette.evaluation import scenes as suites
        from nonette.provenance.encode import encode_sheet

        suite = suites.Suite(
            reader=room.reader,
            world=room.world,
            exam=room.exam,
            album=room.album,
            plan=suites.QUICK if quick else suites.FULL,
            ranker=room.ranker,
            on_progress=progress,
        )
        result, failures = suite.run(room.model, judge, seed)
    agreement = _agreement(room.folder / "blind" / AGREEMENT)
    contents = {
        paths[REPORT]: report.to_markdown(result, agreement).encode(),
        paths[NUMBERS]: report.to_json(result, agreement).encode(),
    }
    sheet = report.failure_sheet(failures)
    if sheet is not None:
        about = {"exam": seed, "shows": "pictures judged wrong"}
        contents[paths[FAILURES]] = encode_sheet(sheet, room.model, about)
    _files.write_all(contents, "--output", force)
    if as_json:
        typer.echo(report.to_json(result, agreement), nl=False)
    else:
        _tell(result, paths[REPORT])


@app.command("blind")
def blind(
    model: options.Model = "",
    judge: options.JudgeName = options.JUDGE,
    output: options.Output = None,
    seed: options.Seed = 0,
    quick: options.Quick = False,
    pictures: Pictures = None,
    answers: Annotated[
        Path | None, typer.Option(help="The filled-in table; compares it with the judge.")
    ] = None,
    threads: options.Threads = None,
    force: options.Force = False,
    as_json: options.AsJson = False,
) -> None:
    """Make pages for a blind look at drawn pictures, or compare the answers with the judge."""
    num_scenes = _scenes_per_category(pictures, quick)
    text = None if answers is None else _read_text(answers)
    with ProgressBar() as progress:
        room = options.open_room(model, judge, output, seed, num_scenes, threads)
        folder = room.folder / "blind"
        if text is None:
            _files.check(folder / TABLE, "--output", force)
            room.album.draw(room.exam, progress)
            _write_pages(room, folder, force)
        else:
            agreement = _compare(room, folder, text)
    if text is None:
        typer.echo(f"look at {folder}/page-*.png, fill in {folder / TABLE} (words.txt says how)")
        typer.echo(f"then: the same command with --answers {folder / TABLE}")
        return
    import dataclasses

    values = json.dumps(dataclasses.asdict(agreement), indent=2)
    _files.write_all({folder / AGREEMENT: f"{values}\n".encode()}, "--output", is_forced=True)
    if as_json:
        typer.echo(values)
        return
    for question, share in agreement.questions.items():
        told = "not enough data" if share is None else f"{share.value:.3f} of {share.total}"
        typer.echo(f"{question:<10} {told}")


def _scenes_per_category(pictures: int | None, quick: bool) -> int:
    wanted = pictures if pictures is not None else QUICK_PICTURES if quick else PICTURES
    if not FEWEST_PICTURES <= wanted <= 10_000:
        limit = f"not enough data: {FEWEST_PICTURES} to 10,000 a category are needed"
        raise InputError("--pictures", wanted, limit)
    per_scene = FEWEST_PICTURES // 2
    return -(-wanted // per_scene)


def _write_pages(room: options.Room, folder: Path, force: bool) -> None:
    """Numbered pages, the empty table, and the list of what is on them for the comparison."""
    from nonette.evaluation import blind
    from nonette.evaluation.drawings import KEPT
    from nonette.provenance.encode import encode_sheet

    picks = blind.choose(room.exam, KEPT, blind.NUM_PICTURES, seed=0)
    pixels = [room.album[room.exam[pick.prompt]].pixels[pick.picture] for pick in picks]
    contents = {
        folder / f"page-{number:02d}.png": encode_sheet(page, room.model, {"page": number})
        for number, page in enumerate(blind.pages(pixels), start=1)
    }
    listed = [[room.exam[pick.prompt].text, pick.picture] for pick in picks]
    contents |= {
        folder / TABLE: blind.template(len(picks)).encode(),
        folder / "words.txt": blind.words(room.world).encode(),
        folder / PICKS: json.dumps(listed, ensure_ascii=False).encode(),
    }
    _files.write_all(contents, "--output", force)


def _compare(room: options.Room, folder: Path, text: str) -> Agreement:
    """The filled-in table against the judge, on the pictures of the pages."""
    from nonette.evaluation import blind

    by_text = {prompt.text: prompt for prompt in room.exam}
    listed = json.loads(_read_text(folder / PICKS))
    unknown = [sentence for sentence, _ in listed if sentence not in by_text]
    if unknown:
        limit = "the pages show another exam; give the --seed and --pictures they were made with"
        raise InputError("--answers", unknown[0], limit)
    people = blind.read_answers(text, len(listed))
    prompts = [by_text[sentence] for sentence, _ in listed]
    pixels = [
        room.album[prompt].pixels[picture]
        for prompt, (_, picture) in zip(prompts, listed, strict=True)
    ]
    return blind.agreement(people, room.reader.read(pixels), prompts)


def _agreement(path: Path) -> Agreement | None:
    """What an earlier comparison found, if there was one."""
    if not path.is_file():
        return None
    from nonette.core.config import from_dict
    from nonette.evaluation.blind import Agreement

    return from_dict(Agreement, json.loads(_read_text(path)), str(path))


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("--answers", str(path), f"it cannot be read: {error}") from error


def _tell(result: Result, path: Path) -> None:
    """What people read."""
    for score in result.categories:
        share = score.ranked
        told = "not enough data" if share is None else f"{share.value:.3f}"
        typer.echo(f"{score.name.replace('_', ' '):<18} {told}")
    means = result.means
    for what, mean in (
        ("mean", means.ranked),
        ("without ranking", means.unranked),
        ("seen pairs", means.seen),
        ("held-out pairs", means.held_out),
        *means.languages.items(),
    ):
        told = "not enough data" if mean is None else f"{mean.value:.3f}"
        typer.echo(f"{what:<18} {told}")
    typer.echo(str(path))
