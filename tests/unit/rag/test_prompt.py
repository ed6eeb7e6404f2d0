"""What the model reads."""

from __future__ import annotations

from tunesmith.rag.prompt import build_messages, render_question, render_source


def test_the_question_stands_on_both_sides_of_the_sources() -> None:
    lines = [render_source(1, "Full-time staff receive 27 days. Ask the lead."), render_source(2, "Open.")]
    assert render_question(" How many days? ", lines) == (
        "Question: How many days?\n\n"
        "Sources:\n"
        "[1] Full-time staff receive 27 days. [1] Ask the lead.\n"
        "[2] Open.\n\n"
        "Question: How many days?"
    )


def test_that_nothing_was_found_is_said() -> None:
    system, user = build_messages("Who?", [], instructions="Be short.")
    assert system.content == "Be short."
    assert "Sources:\n(none)\n" in user.content


def test_markup_before_a_sentence_is_left_out() -> None:
    assert render_source(3, "# Leave\n\n- Ask  the lead.") == "[3] Leave [3] Ask the lead."
