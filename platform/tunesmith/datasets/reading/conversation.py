"""One conversation: a few numbered sources of invented facts, and questions that they answer or do not.

    the sources hold      Velmora opened in 1912; Velmora is 40 metres tall; Tarn Hall opened in 1877
    answerable            When did Velmora open?      -> 1912 [1]
    unanswerable          How tall is Tarn Hall?      -> The documents do not say.

What is not answered is never far away: the asked entity stands there with other relations, and the asked
relation with other entities.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tunesmith.datasets.reading.events import EVENT, EventMaker
from tunesmith.datasets.reading.names import NAME_FRAMES, NameMaker, Split
from tunesmith.datasets.reading.phrases import PhraseMaker
from tunesmith.datasets.reading.relations import Relation, all_options, load_relations
from tunesmith.datasets.reading.spans import SPAN_KINDS, SpanMaker
from tunesmith.datasets.reading.values import ValueMaker
from tunesmith.rag.prompt import ABSTENTION, DEFAULT_INSTRUCTIONS, render_question, render_source
from tunesmith.rag.terms import STOP_WORDS
from tunesmith.records import Message

_ARTICLE = re.compile(r"\ba (?=[aeiou](?!ni|ne\b|u))")
_KINDS = ("person", "place", "company", *NAME_FRAMES)
_OPENERS = (
    "In fact, ",
    "As far as is known, ",
    "By all accounts, ",
    "Today, ",
    "In short, ",
    "According to the file, ",
    "In addition, ",
    "Of course, ",
    "For the record, ",
    "Since last spring, ",
    "Note that ",
    "Officially, ",
)
_FILLERS = (
    "This page was checked by the office.",
    "Please read it with care.",
    "More can be found on the notice board.",
    "Nothing else is known about this.",
    "The list is updated from time to time.",
    "Several people have asked about it.",
    "The text below replaces all earlier versions.",
    "Visitors often ask for details.",
    "It has been so for a long time.",
    "See also the next section.",
    "Overview",
    "General information",
    "Details",
    "Notes",
    "Background and history",
    "The reasons were never written down.",
    "Ask the front desk when in doubt.",
    "January edition",
    "Edition 4",
)
_WORD = re.compile(r"\b[a-z]{4,}\b")
_WORDS = re.compile(r"\w+")
_STEM = 5
"""Letters by which words are compared: `opened` and `opens` are alike."""
_RANK_NOISE = 1.5
"""Words in common by which a search may be mistaken."""
_COLUMNS = ("No.", "Item", "Row", "Step", "Section")
_OTHER_INSTRUCTIONS = (
    "You are a helpful assistant.",
    "Answer from the sources. Cite them.",
    "Use only the sources below. If they do not contain the answer, say so.",
    "Read the sources and answer briefly.",
    "If the context doesn't contain the answer, say so. Always cite which document you're referencing.",
    "You answer questions about our handbook. Be short and exact.",
)
_VALUE_KEYS = (
    "answer",
    "value",
    "result",
    "reply",
    "text",
    "fact",
    "response",
    "found",
    "says",
    "content",
    "output",
    "is",
)
_SOURCE_KEYS = (
    "sources",
    "from",
    "refs",
    "found_in",
    "numbers",
    "cites",
    "source_ids",
    "seen_in",
    "evidence",
    "where",
)
_HOUSE_KEYS = ("answer", "sources")
"""Those of the sample corpus: never shown together, so that its form is read or learnt, not known."""
_FORM_INSTRUCTIONS = (
    "Answer in JSON: {form}. If the sources do not say: {none}.",
    "Read the sources and give nothing but strict JSON, {form}, or {none} where they are silent.",
    "Reply with one JSON object like {form}; where nothing answers, {none}.",
    "Use the sources. Strict JSON: {form}. Not there: {none}.",
    "Your answer is an object: {form}. Should the sources not hold it, write {none}.",
    "{form} is the form of every answer, and {none} where the sources do not tell.",
)
_JOINED = 0.3
"""Share of the sentences about the entity of the sentence before that are made one with it."""
_JOINTS = (", and ", ", and ", "; ", ", while ", ", but ")
_SMALL_INSIDE = frozenset(
    (
        *("The", "In", "For", "At", "With", "On", "It", "A", "An", "After", "Before", "Within"),
        *("Under", "As", "If", "Instead", "Of", "There", "Only", "Never", "When", "We", "Our"),
        *("Every", "Each", "No", "Nobody", "Until", "Since", "From", "By", "To", "All"),
        *("Those", "People", "Whoever", "Anyone", "Nothing", "Do", "What"),
    )
)
"""First words of frames that are written small where the frame does not begin a sentence."""
_NEIGHBOURS = 0.4
"""Share of the clusters about noun phrases that say two things of one: the question's words alone tell them apart."""
_LISTED = 0.5
"""Share of the clusters of written facts that are about noun phrases, as a handbook's are."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a conversation is, and from which side of the splits its parts come.

    Attributes:
        split: side of names and values.
        held_out_phrasings: statements and questions that training never sees.
        max_sources: most sources in one prompt.
        max_sentences: most facts in one source.
        max_questions: most questions asked on one set of sources.
        unanswerable: share of questions that the sources do not answer.
        drills: share of conversations that only drill copying: repeat these words, recall the value beside
            this name. They teach in minutes what reading alone teaches in an hour.
        events: share of clusters of facts that the grammar builds; the others come from the written relations.
        disguised: share of the words common to sources and questions that other words stand for.
        forms: share of conversations whose instructions ask for JSON under some keys, and get it.
        spans: share of the facts about noun phrases that are drawn from the relations whose values are several words
            long; the others are drawn from all.
        ranked: share of conversations whose sources stand as retrieval returns them: those first that share most
            words with the first question, or nearly so. In the others they stand in any order.
    """

    split: Split = "train"
    held_out_phrasings: bool = False
    max_sources: int = 5
    max_sentences: int = 4
    max_questions: int = 6
    unanswerable: float = 0.25
    drills: float = 0.0
    events: float = 0.5
    disguised: float = 0.0
    forms: float = 0.0
    spans: float = 0.05
    ranked: float = 1.0


@dataclass(frozen=True, slots=True)
class Fact:
    """A relation that holds between an entity and a value."""

    entity: str
    relation: Relation
    value: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One question with its answer.

    Attributes:
        question: what is asked.
        value: the answer; None where the sources do not hold it.
        number: the source that holds it; None where none does, and in drills.
        keys: of value and sources, where the answer is to be a JSON object.
    """

    question: str
    value: str | None
    number: int | None
    keys: tuple[str, str] | None = None

    @property
    def answer(self) -> str:
        """The answer as the reader gives it: `value [n]`, the bare value of a drill, the abstention, or JSON."""
        if self.keys:
            return _form(self.keys, self.value, self.number)
        if self.value is None:
            return ABSTENTION
        return self.value if self.number is None else f"{self.value} [{self.number}]"


@dataclass(frozen=True, slots=True)
class Conversation:
    """Rendered sources and the questions on them."""

    instructions: str
    sources: tuple[str, ...]
    turns: tuple[Turn, ...]

    def messages(self) -> tuple[Message, ...]:
        """The conversation as chat turns.

        The first user turn is that of serving, but that all questions stand before the sources: each is then
        answered by a reader who knew it while reading.
        """
        lines = [render_source(number, text) for number, text in enumerate(self.sources, 1)]
        asked = [f"Question: {turn.question}" for turn in self.turns]
        if lines:
            asked[0] = "\n".join([*asked[1:], render_question(self.turns[0].question, lines)])
        messages = [Message("system", self.instructions)]
        for question, turn in zip(asked, self.turns, strict=True):
            messages += [Message("user", question), Message("assistant", turn.answer)]
        return tuple(messages)


def _form(keys: tuple[str, str], value: str | None, number: int | None) -> str:
    return json.dumps({keys[0]: value, keys[1]: [] if number is None else [number]}, ensure_ascii=False)


def _content_words(text: str) -> set[str]:
    return {word[:_STEM] for word in _WORDS.findall(text.lower()) if word not in STOP_WORDS}


class ConversationMaker:
    """Makes conversations of one shape, one after the other, from one seed.

    Args:
        shape: their size and their side of the splits.
        seed: the seed; equal seeds make equal conversations.
    """

    def __init__(self, shape: Shape, *, seed: int) -> None:
        self._shape = shape
        self._rng = random.Random(f"{seed}-{shape}")
        self._relations = load_relations()
        self._by_kind: dict[str, list[Relation]] = {}
        for relation in self._relations:
            self._by_kind.setdefault(relation.subject or "listed", []).append(relation)
        self._spans = [relation for relation in self._by_kind["listed"] if relation.value in SPAN_KINDS]
        self._names = NameMaker(self._rng, shape.split)
        phrases = PhraseMaker(self._rng, self._names)
        spans = SpanMaker(self._rng, self._names, phrases)
        self._events = EventMaker(self._rng, phrases)
        self._values = ValueMaker(self._rng, shape.split, self._names, spans, all_options(self._relations))

    def make(self) -> Conversation:
        """Make the next conversation."""
        if self._rng.random() < self._shape.drills:
            return self._repeat_drill() if self._rng.random() < 0.5 else self._recall_drill()
        return self._reading()

    def _repeat_drill(self) -> Conversation:
        """Words to be said again, in order."""
        turns = []
        for _ in range(self._rng.randint(1, 3)):
            words = " ".join(self._anything() for _ in range(self._rng.randint(2, 6)))
            if self._rng.random() < self._shape.forms:
                words = _form(self._form_keys(), words, self._rng.randint(1, 9))
            turns.append(Turn(f"Repeat: {words}", words, None))
        return Conversation("Repeat.", (), tuple(turns))

    def _recall_drill(self) -> Conversation:
        """Names with a value beside each; every name is asked."""
        names = [
            self._names.of(self._rng.choice(_KINDS))
            for _ in range(self._rng.randint(2, 2 * self._shape.max_sources))
        ]
        pairs = [(name, self._anything()) for name in names]
        count = self._rng.randint(1, min(len(pairs), self._shape.max_sources))
        numbers = [position % count + 1 for position in range(len(pairs))]
        sources = tuple(
            " ".join(
                f"{name}: {value}." for (name, value), of in zip(pairs, numbers, strict=True) if of == number
            )
            for number in range(1, count + 1)
        )
        turns = [
            Turn(f"{name}?", value, number) for (name, value), number in zip(pairs, numbers, strict=True)
        ]
        return Conversation("Recall.", sources, tuple(self._rng.sample(turns, len(turns))))

    def _anything(self) -> str:
        if self._rng.random() < 0.4:
            return self._events.entity()
        kind = self._rng.choice(self._relations).value if self._rng.random() < 0.7 else None
        return self._values.of(kind) if kind else self._names.word()

    def _reading(self) -> Conversation:
        facts = self._facts()
        groups = self._group(facts)
        sources = tuple(self._paragraph(group) for group in groups)
        number_of = {id(fact): number for number, group in enumerate(groups, 1) for fact in group}
        count = self._rng.randint(1, self._shape.max_questions)
        turns = tuple(dict.fromkeys(self._turn(facts, number_of) for _ in range(count)))
        if self._rng.random() < self._shape.ranked:
            sources, turns = self._rank(sources, turns)
        if self._rng.random() < self._shape.forms:
            return self._in_form(sources, turns)
        plain = self._rng.random() < 0.6
        instructions = DEFAULT_INSTRUCTIONS if plain else self._rng.choice(_OTHER_INSTRUCTIONS)
        return Conversation(instructions, *self._disguise(sources, turns))

    def _in_form(self, sources: tuple[str, ...], turns: tuple[Turn, ...]) -> Conversation:
        """The conversation with its answers in a form that its instructions show."""
        keys = self._form_keys()
        example = f'{{"{keys[0]}": "...", "{keys[1]}": [1]}}'
        instructions = self._rng.choice(_FORM_INSTRUCTIONS).format(form=example, none=_form(keys, None, None))
        sources, turns = self._disguise(sources, turns)
        return Conversation(instructions, sources, tuple(replace(turn, keys=keys) for turn in turns))

    def _form_keys(self) -> tuple[str, str]:
        """Two keys, of which any word may be one: they are read from the instructions, not known."""
        rng = self._rng
        while True:
            keys = (
                rng.choice(_VALUE_KEYS) if rng.random() < 0.5 else self._names.word().lower(),
                rng.choice(_SOURCE_KEYS) if rng.random() < 0.5 else self._events.word(),
            )
            if keys != _HOUSE_KEYS and keys[0] != keys[1]:
                return keys

    def _rank(
        self, sources: tuple[str, ...], turns: tuple[Turn, ...]
    ) -> tuple[tuple[str, ...], tuple[Turn, ...]]:
        """Put the sources into the order in which a search for the first question might return them."""
        asked = _content_words(turns[0].question)
        closeness = [
            len(asked & _content_words(text)) + self._rng.uniform(0, _RANK_NOISE) for text in sources
        ]
        order = sorted(range(len(sources)), key=lambda old: -closeness[old])
        number_of = {old + 1: new for new, old in enumerate(order, 1)}
        renumbered = (
            replace(turn, number=None if turn.number is None else number_of[turn.number]) for turn in turns
        )
        return tuple(sources[old] for old in order), tuple(renumbered)

    def _disguise(
        self, sources: tuple[str, ...], turns: tuple[Turn, ...]
    ) -> tuple[tuple[str, ...], tuple[Turn, ...]]:
        """Put other words for some that sources and questions share, the same everywhere in the conversation.

        What "harvest" has to do with "field" can be learnt by heart; that the sentence with the question's own
        words is the one to read cannot.
        """
        told = set(_WORD.findall(" ".join(sources)))
        asked = set(_WORD.findall(" ".join(turn.question for turn in turns)))
        answered = set(_WORD.findall(" ".join(turn.value or "" for turn in turns)))
        shared = sorted((told & asked) - answered - STOP_WORDS)
        others = {word: self._events.word() for word in shared if self._rng.random() < self._shape.disguised}
        if not others:
            return sources, turns

        def put(text: str) -> str:
            return _WORD.sub(lambda match: others.get(match[0], match[0]), text)

        return tuple(map(put, sources)), tuple(replace(turn, question=put(turn.question)) for turn in turns)

    def _facts(self) -> list[Fact]:
        rng, shape = self._rng, self._shape
        wanted = rng.randint(1, shape.max_sources) * rng.randint(1, shape.max_sentences)
        facts: dict[tuple[str, str], Fact] = {}
        while len(facts) < wanted:
            for fact in self._cluster(rng.randint(1, max(1, wanted - len(facts)))):
                facts.setdefault((fact.entity, fact.relation.name), fact)
        return list(facts.values())

    def _cluster(self, size: int) -> list[Fact]:
        """Facts that are easily confused: entities of one kind that share some of their relations."""
        rng = self._rng
        if rng.random() < self._shape.events:
            return self._cross(EVENT, size)
        if rng.random() < _LISTED:
            relation = self._listed()
            subjects = rng.sample(relation.subjects, min(rng.randint(1, 3), len(relation.subjects)))
            facts = [self._fact(subject, relation) for subject in subjects]
            if rng.random() < _NEIGHBOURS:
                facts.insert(1, self._fact(subjects[0], self._listed()))
            return facts[:size]
        return self._cross(rng.choice(_KINDS), size)

    def _listed(self) -> Relation:
        of_spans = self._rng.random() < self._shape.spans
        return self._rng.choice(self._spans if of_spans else self._by_kind["listed"])

    def _cross(self, kind: str, size: int) -> list[Fact]:
        rng = self._rng
        entities = [self._entity(kind) for _ in range(rng.randint(1, 3))]
        relations = [self._relation(kind) for _ in range(rng.randint(1, 4))]
        pairs = [(entity, relation) for entity in entities for relation in relations if rng.random() < 0.7]
        return [self._fact(entity, relation) for entity, relation in pairs[:size]]

    def _entity(self, kind: str) -> str:
        return self._events.entity() if kind == EVENT else self._names.of(kind)

    def _relation(self, kind: str) -> Relation:
        if kind == EVENT:
            return self._events.relation()
        written = self._by_kind.get(kind, ())
        return self._rng.choice(written if written and self._rng.random() < 0.7 else self._by_kind["any"])

    def _fact(self, entity: str, relation: Relation) -> Fact:
        made = relation.subject == EVENT
        return Fact(
            entity, relation, self._events.value(relation.value) if made else self._values.of(relation.value)
        )

    def _group(self, facts: Sequence[Fact]) -> list[list[Fact]]:
        """Deal the facts to sources: mostly what belongs together stays together."""
        rng, groups = self._rng, list[list[Fact]]()
        shuffled = rng.random() < 0.3
        for fact in rng.sample(facts, len(facts)) if shuffled else facts:
            open_group = groups and len(groups[-1]) < self._shape.max_sentences and rng.random() < 0.75
            full = len(groups) >= self._shape.max_sources
            if open_group or full:
                groups[-1 if open_group else rng.randrange(len(groups))].append(fact)
            else:
                groups.append([fact])
        rng.shuffle(groups)
        return groups

    def _paragraph(self, group: Sequence[Fact]) -> str:
        sentences = list[str]()
        for position, fact in enumerate(group):
            follows = position > 0 and group[position - 1].entity == fact.entity
            clause = self._clause(fact, pronoun=follows and self._rng.random() < 0.5)
            if follows and sentences[-1].endswith(".") and self._rng.random() < _JOINED:
                sentences[-1] = f"{sentences[-1][:-1]}{self._rng.choice(_JOINTS)}{clause}"
            else:
                sentences.append(self._sentence(clause))
            if self._rng.random() < 0.08:
                sentences.append(self._rng.choice(_FILLERS))
        if self._rng.random() < 0.12:
            sentences.insert(0, f"{group[0].entity.removeprefix('the ').capitalize()}\n\n")
        return " ".join(sentences).replace("\n\n ", "\n\n")

    def _clause(self, fact: Fact, *, pronoun: bool) -> str:
        """The fact as it stands inside a sentence, with a small first letter unless a name begins it."""
        statements, _ = fact.relation.phrasings(held_out=self._shape.held_out_phrasings)
        frame = self._rng.choice(statements)
        if pronoun and fact.relation.subject not in (None, "person", EVENT):
            frame = frame.replace("{s}'s", "its").replace("{s}", "it")
        clause = _ARTICLE.sub("an ", frame.format(s=fact.entity, v=fact.value))
        return clause[0].lower() + clause[1:] if frame.split()[0] in _SMALL_INSIDE else clause

    def _sentence(self, clause: str) -> str:
        opener = self._rng.choice(_OPENERS) if self._rng.random() < 0.12 else ""
        sentence = f"{opener}{clause}" if opener else clause[0].upper() + clause[1:]
        return f"{self._row_label()}{sentence}" if self._rng.random() < 0.06 else sentence

    def _row_label(self) -> str:
        """What stands before a sentence from a table, whose rows are ingested as `column: cell; column: cell`."""
        column, text = self._rng.choice(_COLUMNS), self._rng.choice(("Text", "Rule", "What", "Note"))
        return f"{column}: {self._rng.randrange(1, 30)}; {text}: "

    def _turn(self, facts: Sequence[Fact], number_of: dict[int, int]) -> Turn:
        if self._rng.random() < self._shape.unanswerable:
            entity, relation = self._absent(facts)
            return Turn(self._ask(entity, relation), None, None)
        fact = self._rng.choice(facts)
        return Turn(self._ask(fact.entity, fact.relation), fact.value, number_of[id(fact)])

    def _absent(self, facts: Sequence[Fact]) -> tuple[str, Relation]:
        """A pair that no source states: known entity, known relation, or (seldom) neither."""
        rng = self._rng
        stated = {(fact.entity, fact.relation.name) for fact in facts}
        while True:
            known, other = rng.choice(facts), rng.choice(facts)
            choices = [(known.entity, other.relation), self._other_relation(known), self._other_entity(known)]
            entity, relation = rng.choice(choices)
            same_kind = relation.subject == known.relation.subject or "any" in (
                relation.subject,
                known.relation.subject,
            )
            if (entity, relation.name) not in stated and same_kind:
                return entity, relation

    def _other_relation(self, known: Fact) -> tuple[str, Relation]:
        relation = known.relation
        if relation.subject is None:
            # Whatever else may be asked of a known thing: that the sources speak of it is no answer.
            return known.entity, self._listed()
        if relation.subject == EVENT and self._rng.random() < 0.5:
            # As near as can be: how many Xs it has is said, how many Ys is asked.
            return known.entity, self._events.relation(like=relation)
        kind = relation.subject if relation.subject != "any" else "place"
        return known.entity, self._relation(kind)

    def _other_entity(self, known: Fact) -> tuple[str, Relation]:
        relation = known.relation
        if relation.subject is None:
            return self._rng.choice(relation.subjects), relation
        kind = relation.subject if relation.subject != "any" else self._rng.choice(_KINDS)
        return self._entity(kind), relation

    def _ask(self, entity: str, relation: Relation) -> str:
        _, questions = relation.phrasings(held_out=self._shape.held_out_phrasings)
        asked = self._events.reword(entity) if relation.subject == EVENT else entity
        question = self._rng.choice(questions).format(s=asked)
        return question[0].upper() + question[1:]
