"""What word was meant? Suggestions for what was spelt, from word lists of pyspellchecker (Norvig's way)."""

from functools import lru_cache
from typing import Any

from strm.files import UserError

LANGUAGES = ("en", "fr")
LONGEST = 30  # letters of a word; a long text without a space is none, and has millions of neighbours


@lru_cache(maxsize=len(LANGUAGES))
def _speller(language: str) -> Any:
    try:
        from spellchecker import SpellChecker
    except ImportError:
        raise UserError(
            "Suggestions need a word list: pip install pyspellchecker, or --language none."
        ) from None
    return SpellChecker(language=language, distance=1)


def suggestions(word: str, language: str = "en", most: int = 5) -> list[str]:
    """Return words that `word` may stand for, in capitals, the most frequent first.

    None if it is a word itself, or if no single slip leads from it to one. Raises UserError where
    the word lists are missing.
    """
    if not word.isalpha() or len(word) > LONGEST or language not in LANGUAGES:
        return []
    speller, lower = _speller(language), word.lower()
    if lower in speller:
        return []
    found = speller.known(speller.edit_distance_1(lower))
    return [other.upper() for other in sorted(found, key=lambda w: (-speller[w], w))[:most]]
