"""The prompt policy: which rule a sentence breaks, if any, and by which words.

The rules and their words are in `policy.toml`, which says how they are written. A sentence is read
in every way that `spelling` knows, each word and each run of words is looked up, and a rule fires
when all its parts are found anywhere in what is asked for. Reading takes linear time.

It knows words, not meanings: it is the first layer, made to be understood and argued with. Whoever
is refused is told the rule and the words.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nonette.core.errors import NonetteError
from nonette.safety import spelling
from nonette.safety.spelling import Word

BUNDLED = Path(__file__).with_name("policy.toml")
CATEGORIES = (
    "hate", "harassment", "violence", "self-harm", "sexual", "shocking", "illegal activity",
    "deception", "political", "public and personal health", "spam",
)  # fmt: skip
MODERATION = (
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit",
    "illicit/violent", "self-harm", "self-harm/intent", "self-harm/instructions", "sexual",
    "sexual/minors", "violence", "violence/graphic",
)  # fmt: skip
SHORT = 2  # letters; pieces of a word taken apart are as short as this, save one of them
FEWEST_JOINED = 4  # letters; shorter words are not pieced together, too many would be found
FEWEST_MASKED = 2  # letters that must be left of a word with asterisks in it


class PolicyError(NonetteError):
    """The policy cannot be read, so nothing may be drawn: its file is missing or wrong."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule of a policy.

    Attributes:
        name: What a refusal cites, such as `hate-symbols`.
        category: One of `CATEGORIES`.
        title: What the rule does not allow, in English, as the end of "it asks for ...".
        title_fr: The same in French.
        why: The reason, one sentence.
        when: Names of word lists; of each inner tuple at least one list must be found.
        moderation: The keys of OpenAI's moderation answer that it sets.
        certainty: The score those keys get, 0 to 1.
    """

    name: str
    category: str
    title: str
    title_fr: str
    why: str
    when: tuple[tuple[str, ...], ...]
    moderation: tuple[str, ...]
    certainty: float


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A rule that fired, by which words, and whether their letters were replaced or parted."""

    rule: Rule
    words: tuple[str, ...]
    is_disguised: bool

    @property
    def message(self) -> str:
        """The refusal in one sentence, naming the rule and the words."""
        found = ", ".join(f'"{words}"' for words in self.words)
        return f"it asks for {self.rule.title} (rule {self.rule.name}, found {found})"


@dataclass(frozen=True, slots=True)
class _Match:
    """Words `start` to `end` of a text are a term of a list."""

    start: int
    end: int
    words: str
    is_disguised: bool


@dataclass(frozen=True, slots=True)
class _Term:
    """A term of a list: its words after the first, and whether the last is only a stem."""

    rest: tuple[str, ...]
    is_stem: bool
    owner: str
    is_exception: bool


@dataclass
class _Index:
    """All terms, found by their first word; single words also by their letters."""

    by_word: dict[str, list[_Term]] = field(default_factory=dict)
    by_stem: dict[str, list[_Term]] = field(default_factory=dict)
    by_length: dict[int, set[str]] = field(default_factory=dict)
    beginnings: set[str] = field(default_factory=set)
    stem_lengths: tuple[int, ...] = ()

    def terms(self, reading: str) -> Iterator[_Term]:
        """The terms whose first word is read so."""
        yield from self.by_word.get(reading, ())
        for length in self.stem_lengths:
            if len(reading) >= length:
                yield from self.by_stem.get(reading[:length], ())


class Policy:
    """A policy read from its file; one object is one version, however often the file changes.

    Args:
        text: The file's text, TOML.
        source: What to call it in errors.

    Raises:
        PolicyError: It is no TOML, or a rule or list is not as `policy.toml` explains.
    """

    def __init__(self, text: str, source: str) -> None:
        self.version = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        self._index = _Index()
        try:
            table = tomllib.loads(text)
            self._fill = {
                name: [" ".join(_plain(word)) for word in words]
                for name, words in table.get("fill", {}).items()
            }
            self._short = {word for one in table["short"]["words"] for word in _plain(one)}
            for name, lists in table["terms"].items():
                self._add_list(name, lists)
            self.rules = tuple(_rule(entry, table["terms"]) for entry in table["rules"])
        except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError, ValueError) as error:
            raise PolicyError(f"the policy {source} cannot be used: {error!r}") from error
        if not self.rules:
            raise PolicyError(f"the policy {source} has no rules")
        self._index.stem_lengths = tuple(sorted({len(stem) for stem in self._index.by_stem}))

    def judge(self, *texts: str) -> tuple[Hit, ...]:
        """The rules that the texts break together, in the policy's order; none for most texts."""
        found: dict[str, _Match] = {}
        for text in texts:
            for folded in spelling.foldings(text):
                for owner, match in self._find(spelling.words(folded)):
                    known = found.get(owner)
                    if known is None or (known.is_disguised and not match.is_disguised):
                        found[owner] = match
        return tuple(hit for rule in self.rules if (hit := _fired(rule, found)))

    def _find(self, words: Sequence[Word]) -> Iterator[tuple[str, _Match]]:
        """The first clean and first disguised match of every list, exceptions taken out."""
        harmless: dict[str, set[int]] = {}
        matches: dict[str, list[_Match]] = {}
        for i, word in enumerate(words):
            for term, match in itertools.chain(
                self._phrases(words, i), self._joined(words, i), self._masked(word, i)
            ):
                if term.is_exception:
                    harmless.setdefault(term.owner, set()).update(range(match.start, match.end))
                else:
                    matches.setdefault(term.owner, []).append(match)
        for owner, ones in matches.items():
            for match in ones:
                if not harmless.get(owner, set()).issuperset(range(match.start, match.end)):
                    yield owner, match
                    if not match.is_disguised:
                        break

    def _phrases(self, words: Sequence[Word], i: int) -> Iterator[tuple[_Term, _Match]]:
        """The terms that begin with word `i`."""
        for reading in (words[i].plain, *words[i].readings):
            is_disguised = reading != words[i].plain
            for term in self._index.terms(reading):
                end = i + 1 + len(term.rest)
                if end > len(words):
                    continue
                rest = words[i + 1 : end]
                if all(map(_reads, rest, term.rest, _stem_marks(term))):
                    hidden = is_disguised or any(map(_differs, rest, term.rest))
                    shown = " ".join((reading, *term.rest))
                    yield term, _Match(i, end, shown, hidden)

    def _joined(self, words: Sequence[Word], i: int) -> Iterator[tuple[_Term, _Match]]:
        """The single words that pieces from word `i` on spell together."""
        joined, num_long, has_scrap = "", 0, False
        for end in range(i, len(words)):
            piece = words[end].readings[0] if words[end].readings else words[end].plain
            joined += piece
            num_long += len(piece) > SHORT
            has_scrap |= len(piece) <= SHORT and (len(piece) == 1 or piece not in self._short)
            if num_long > 1 or joined not in self._index.beginnings:
                return
            if end > i and has_scrap and len(joined) >= FEWEST_JOINED:
                for term in self._index.terms(joined):
                    if not term.rest and not term.is_exception:
                        yield term, _Match(i, end + 1, joined, True)

    def _masked(self, word: Word, i: int) -> Iterator[tuple[_Term, _Match]]:
        """The single words that a word with asterisks in it can be."""
        if "*" not in word.plain or len(word.plain.replace("*", "")) < FEWEST_MASKED:
            return
        table = self._index
        wholes = [(whole, table.by_word) for whole in table.by_length.get(len(word.plain), ())]
        stems = [(stem, table.by_stem) for stem in table.by_stem if len(stem) <= len(word.plain)]
        for spelled, terms in wholes + stems:
            if all(
                seen in ("*", letter) for seen, letter in zip(word.plain, spelled, strict=False)
            ):
                for term in terms[spelled]:
                    if not term.rest and not term.is_exception:
                        yield term, _Match(i, i + 1, spelled, True)

    def _add_list(self, name: str, lists: Mapping[str, Sequence[str]]) -> None:
        if unknown := set(lists) - {"en", "fr", "except"}:
            raise ValueError(f"terms.{name} has unknown parts: {', '.join(sorted(unknown))}")
        for part, terms in lists.items():
            for term in terms:
                for filled in self._filled(term):
                    self._add(filled, name, part == "except")

    def _filled(self, term: str) -> Iterable[str]:
        """The term with each word in place of its {blank}, if it has one."""
        blank = next((name for name in self._fill if f"{{{name}}}" in term), None)
        if blank is None:
            return (term,)
        return (term.replace(f"{{{blank}}}", word) for word in self._fill[blank])

    def _add(self, term: str, owner: str, is_exception: bool) -> None:
        is_stem = term.endswith("*")
        words = _plain(term.removesuffix("*"))
        if not words:
            raise ValueError(f"terms.{owner}: {term!r} has no words")
        rest = words[1:]
        table = self._index.by_stem if is_stem and not rest else self._index.by_word
        endings = [""] if is_stem or words[-1].endswith("s") else ["", "s"]
        for ending in endings:
            spelled = (*words[:-1], words[-1] + ending)
            entry = _Term(spelled[1:], is_stem and bool(rest), owner, is_exception)
            table.setdefault(spelled[0], []).append(entry)
            if rest and not is_exception:
                joined = _Term((), False, owner, False)  # "childporn"
                self._index.by_word.setdefault("".join(spelled), []).append(joined)
            if not is_exception:
                whole = "".join(spelled)
                self._index.beginnings.update(whole[:n] for n in range(1, len(whole) + 1))
                if not is_stem:
                    self._index.by_length.setdefault(len(whole), set()).add(whole)


def load(path: Path | None = None) -> Policy:
    """The policy of a file; without one, the policy that comes with Nonette.

    Raises:
        PolicyError: The file is missing, unreadable or wrong.
    """
    return _bundled() if path is None else _read(path)


@functools.cache
def _bundled() -> Policy:
    return _read(BUNDLED)


def _read(path: Path) -> Policy:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"the policy {path} cannot be read: {error}") from error
    return Policy(text, str(path))


def moderation(hits: Sequence[Hit]) -> dict[str, Any]:
    """The hits as one result of OpenAI's moderation answer, with the rules beside.

    `flagged` is true for every hit, also for rules that none of the 13 keys fits.
    """
    scores = dict.fromkeys(MODERATION, 0.0)
    for hit in hits:
        for key in hit.rule.moderation:
            scores[key] = max(scores[key], hit.rule.certainty)
    return {
        "flagged": bool(hits),
        "categories": {key: score > 0 for key, score in scores.items()},
        "category_scores": scores,
        "category_applied_input_types": {
            key: ["text"] if score > 0 else [] for key, score in scores.items()
        },
        "rules": [
            {
                "name": hit.rule.name,
                "category": hit.rule.category,
                "title": hit.rule.title,
                "title_fr": hit.rule.title_fr,
                "words": list(hit.words),
                "is_disguised": hit.is_disguised,
            }
            for hit in hits
        ],
    }


def _fired(rule: Rule, found: Mapping[str, _Match]) -> Hit | None:
    """The rule's hit, if of every line of its `when` some list was found."""
    parts = [next((found[one] for one in line if one in found), None) for line in rule.when]
    matches = [match for match in parts if match is not None]
    if len(matches) < len(parts):
        return None
    return Hit(
        rule=rule,
        words=tuple(match.words for match in matches),
        is_disguised=any(match.is_disguised for match in matches),
    )


def _rule(entry: Mapping[str, Any], terms: Mapping[str, Any]) -> Rule:
    """The rule of one table of the file, checked."""
    when = tuple(tuple(line) for line in entry["when"])
    rule = Rule(**{**entry, "when": when, "moderation": tuple(entry["moderation"])})
    for name in itertools.chain.from_iterable(when):
        if name not in terms:
            raise ValueError(f"rule {rule.name} names the list {name!r}, which there is not")
    if not when or not all(when):
        raise ValueError(f"rule {rule.name} has an empty `when`")
    if rule.category not in CATEGORIES:
        raise ValueError(f"rule {rule.name} has the unknown category {rule.category!r}")
    if unknown := set(rule.moderation) - set(MODERATION):
        raise ValueError(f"rule {rule.name} has unknown moderation keys: {sorted(unknown)}")
    if not 0 < rule.certainty <= 1:
        raise ValueError(f"rule {rule.name} has a certainty of {rule.certainty}, not within 0 to 1")
    return rule


def _plain(text: str) -> tuple[str, ...]:
    """The folded words of a term of the list."""
    return tuple(word.plain for word in spelling.words(next(spelling.foldings(text))))


def _stem_marks(term: _Term) -> Iterator[bool]:
    """For each word of `rest`: whether it is only a stem."""
    return (term.is_stem and i == len(term.rest) - 1 for i in range(len(term.rest)))


def _reads(word: Word, wanted: str, is_stem: bool) -> bool:
    if is_stem:
        return any(reading.startswith(wanted) for reading in (word.plain, *word.readings))
    return word.plain == wanted or wanted in word.readings


def _differs(word: Word, wanted: str) -> bool:
    return not word.plain.startswith(wanted)
