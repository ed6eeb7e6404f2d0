from __future__ import annotations

import pytest

from tunesmith.errors import DocumentError
from tunesmith.ingest.formats.decoding import decode

ENGLISH = "Full-time staff receive 27 days of leave."
FRENCH = "Les salariés à temps plein reçoivent vingt-sept jours de congé, où qu'ils travaillent, dès l'été."
GERMAN = "Die Angestellten erhalten jährlich 27 Tage Urlaub; für Führungskräfte gelten größere Beträge."
JAPANESE = "社員は毎年二十七日の年次有給休暇を取得できます。申請は上司に提出してください。"
POLISH = "Pracownicy pełnoetatowi otrzymują dwadzieścia siedem dni urlopu rocznie; wniosek składa się do przełożonego."
RUSSIAN = "Сотрудники получают двадцать семь дней ежегодного отпуска, заявление подаётся руководителю."


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (ENGLISH, "ascii"),
        (JAPANESE, "utf-8"),
        (ENGLISH, "utf-8-sig"),
        (JAPANESE, "utf-16"),
        (ENGLISH, "utf-32"),
        (FRENCH, "latin-1"),
        (GERMAN, "cp1252"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        (RUSSIAN, "cp1251"),
        (POLISH, "cp1250"),
        ("Café", "latin-1"),
        ("“Naïve” – don’t", "cp1252"),
    ],
)
def test_text_is_read_in_its_encoding(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_a_declared_encoding_wins_over_a_guess() -> None:
    assert decode("ÀÈÌ".encode("cp1252"), declared="windows-1252") == "ÀÈÌ"


def test_a_wrong_declaration_does_not_hurt() -> None:
    assert decode(JAPANESE.encode(), declared="ascii") == JAPANESE
    assert decode(ENGLISH.encode(), declared="no-such-encoding") == ENGLISH


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(DocumentError, match="not text"):
        decode(bytes(range(256)) * 4)
    with pytest.raises(DocumentError, match="not text"):
        decode(b"some text\x00\x01\x02\x03 and more")
