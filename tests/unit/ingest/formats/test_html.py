from __future__ import annotations

import pytest

from tunesmith.ingest.formats.html import read_html
from tunesmith.ingest.normalise import normalise

PAGE = """<!doctype html><html><head><title>Intranet</title><style>p {color: red}</style></head><body>
<nav><a href="/">Home</a></nav><header>Company</header>
<h1>Annual <em>leave</em></h1><p>Staff get <b>27 days</b>.<br>Ask&nbsp;early.</p>
<h2>Rules</h2><ul><li>Never on Monday</li><li><p>Ask first</p></li></ul>
<dl><dt>Carry over</dt><dd>6 days</dd></dl>
<table><tr><th>Grade</th><th>Days</th></tr><tr><td>A</td><td>27</td></tr></table>
<script>track()</script><div aria-hidden="true">decoration</div><p hidden>secret</p>
<pre>x = 1\n  y = 2</pre><footer>Imprint</footer></body></html>"""


def text(markup: str) -> str:
    return normalise(read_html(markup.encode()).text)


def test_a_page_is_its_text() -> None:
    assert text(PAGE) == (
        "Company\n\n# Annual leave\n\nStaff get 27 days.\nAsk early.\n\n## Rules\n\n- Never on Monday\n- Ask first"
        "\n- Carry over: 6 days\n- Grade: A; Days: 27\n\nx = 1\ny = 2"
    )


def test_the_first_heading_is_the_title() -> None:
    assert read_html(PAGE.encode()).title == "Annual leave"
    assert read_html(b"<title> The  page </title><p>text").title == "The page"
    assert read_html(b"<p>text").title is None


def test_a_page_that_marks_its_main_part_is_taken_at_its_word() -> None:
    assert text("<div>Menu</div><main><p>Text</p></main><div>Ads</div>") == "Text"
    assert text("<article><p>One</p></article><article><p>Two</p></article>") == "One\n\nTwo"


def test_a_table_that_lays_out_a_page_is_no_table() -> None:
    page = "<table><tr><td><h2>Left</h2><p>text</p></td><td>right</td></tr></table>"
    assert text(page).split() == ["##", "Left", "text", "right"]


def test_two_columns_without_a_header_are_key_and_value() -> None:
    page = "<table><tr><td>Opens</td><td>8:00</td></tr><tr><td>Closes</td><td>17:00</td></tr></table>"
    assert text(page) == "- Opens: 8:00\n- Closes: 17:00"


@pytest.mark.parametrize("encoding", ["shift_jis", "utf-8", "euc_jp"])
def test_the_declared_encoding_is_used(encoding: str) -> None:
    page = f'<meta charset="{encoding}"><p>有給休暇</p>'
    assert read_html(page.encode(encoding)).text.strip() == "有給休暇"


def test_broken_markup_is_still_text() -> None:
    assert text("<p>One<p>Two<ul><li>a<li>b</ul></div></b>") == "One\n\nTwo\n\n- a\n- b"
