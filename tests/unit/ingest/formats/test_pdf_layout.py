from __future__ import annotations

from tunesmith.ingest.formats.pdf_layout import Line, join_pages

FULL = "This line is as long as the longest line of the page is"


def joined(*pages: list[str]) -> str:
    return join_pages([[Line(text, 10.0) for text in page] for page in pages])


def test_lines_and_pages_become_one_paragraph() -> None:
    assert joined([f"{FULL} and"], ["goes on."]) == f"{FULL} and goes on."


def test_a_broken_word_is_whole_again() -> None:
    assert joined([f"{FULL} exam-", "ple here."]) == f"{FULL} example here."
    assert joined([f"{FULL} exam-"], ["ple here."]) == f"{FULL} example here."


def test_a_word_with_a_hyphen_of_its_own_keeps_it() -> None:
    assert joined([f"{FULL} twenty-", "seven days."]) == f"{FULL} twenty-seven days."
    assert joined([f"{FULL} 10-", "12 days."]) == f"{FULL} 10- 12 days."


def test_a_short_line_ends_its_paragraph() -> None:
    assert joined([FULL, "ends here.", FULL]) == f"{FULL} ends here.\n\n{FULL}"


def test_list_items_stand_on_their_own_lines() -> None:
    assert joined([f"{FULL}:", "• one", "• two", "1. three"]) == f"{FULL}:\n- one\n- two\n1. three"


def test_what_repeats_on_every_page_is_dropped() -> None:
    pages = [
        ["Company handbook", f"{FULL} {word}", f"Page {number} of 3"] for number, word in enumerate("abc", 1)
    ]
    assert joined(*pages) == f"{FULL} a {FULL} b {FULL} c"


def test_a_lone_page_number_is_dropped() -> None:
    assert joined([FULL, "12"]) == FULL


def test_letters_of_another_size_stand_apart() -> None:
    lines = [Line("Leave", 16), Line("Rules", 13), Line(FULL, 10), Line("a footnote", 7)]
    assert join_pages([lines]) == f"# Leave\n\n## Rules\n\n{FULL}\n\na footnote"


def test_nothing_gives_nothing() -> None:
    assert join_pages([]) == join_pages([[]]) == ""
