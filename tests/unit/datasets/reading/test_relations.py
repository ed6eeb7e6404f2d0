from __future__ import annotations

from tunesmith.datasets.reading.relations import all_options, load_relations


def test_every_relation_can_be_stated_and_asked() -> None:
    for relation in load_relations():
        assert len(relation.statements) >= 5
        assert len(relation.questions) >= 4
        assert all(s.count("{s}") == 1 and s.count("{v}") == 1 for s in relation.statements), relation.name
        assert all(q.count("{s}") == 1 and "{v}" not in q for q in relation.questions), relation.name


def test_names_are_unique() -> None:
    names = [relation.name for relation in load_relations()]
    assert len(names) == len(set(names)) > 3000


def test_phrasings_are_split_without_overlap() -> None:
    for relation in load_relations():
        (statements, questions) = relation.phrasings(held_out=False)
        (held_statements, held_questions) = relation.phrasings(held_out=True)
        assert not set(statements) & set(held_statements)
        assert not set(questions) & set(held_questions)


def test_options_are_listed_once() -> None:
    options = all_options(load_relations())
    assert len(options) == len(set(options)) > 200
