"""When was a letter meant? From the winner of each moment to a text.

A letter counts when it was sure for a while, and counts once: it repeats only after a release.
A movement grows out of a still letter, which may have been written by then: it is replaced.
All times are in milliseconds.
"""

RELEASE_MS = 200.0  # another class must win this long before a letter may repeat
RELEASE_MOVE = 0.6  # or the wrist bounce, in palm sizes: more than a held letter drifts
GROW_MS = 1000.0  # how late a movement may follow its still letter: a stroke takes up to 0.8 s
ROUNDING_MS = 1e-3


class Speller:
    """Decide when a letter was meant: sure for a while, once, and corrected when it grew into a movement."""

    def __init__(
        self, moving: dict[str, str], nothing: str, confidence: float, hold_ms: float, moving_hold_ms: float
    ):
        self.moving, self.nothing, self.confidence = moving, nothing, confidence
        self.hold_ms, self.moving_hold_ms = hold_ms, moving_hold_ms
        self.text = ""
        self.release()

    def release(self) -> None:
        """Let every letter count again, as after a gap; the text stays."""
        self._candidate: str | None = None
        self._since = 0.0  # since when the candidate wins
        self._last: str | None = None  # the letter committed last
        self._spent: dict[str, float] = {}  # what counts again only after a release, and when it last won
        self.keep()

    def keep(self) -> None:
        """Let no later movement replace what the text ends with now."""
        self._grows: tuple[str, float] = ("", 0.0)  # the letter that the text ends with, and when it last won

    def step(self, best: str, confidence: float, moved: float, t_ms: float) -> tuple[str | None, str | None]:
        """Take the winner of one tick and how far the wrist has moved; return (committed, replaced)."""
        if best == self._grows[0]:
            self._grows = (best, t_ms)
        for letter, last_won in list(self._spent.items()):
            if best in (letter, self._last):
                self._spent[letter] = t_ms
            elif t_ms - last_won >= RELEASE_MS - ROUNDING_MS:
                del self._spent[letter]
        candidate = best if best != self.nothing and confidence >= self.confidence else None
        if candidate != self._candidate:
            self._candidate, self._since = candidate, t_ms
        # A bounce releases a still letter; a moving letter's movement is the letter itself.
        if moved > RELEASE_MOVE and best == self._last and best not in self.moving:
            self._spent.pop(best, None)
            self._since = t_ms
        hold = self.moving_hold_ms if candidate in self.moving else self.hold_ms
        if candidate is None or candidate in self._spent or t_ms - self._since < hold - ROUNDING_MS:
            return None, None
        return candidate, self._commit(candidate, t_ms)

    def _commit(self, letter: str, t_ms: float) -> str | None:
        start = self.moving.get(letter)
        grown, last_won = self._grows
        replaced = grown if grown and grown == start and t_ms - last_won <= GROW_MS else None
        # Where a stroke ends the hand still has the shape it began with: that is no letter either.
        self._last, self._spent = letter, {spent: t_ms for spent in (letter, start) if spent}
        self._grows = (letter, t_ms)
        if letter == "del":
            self.backspace()
        elif letter == "space":
            self.space()
        else:
            self.text = self.text.removesuffix(replaced or "") + letter
        return replaced

    def space(self) -> None:
        self.write(" ")

    def write(self, words: str) -> None:
        self.text += words
        self.keep()

    def backspace(self) -> None:
        self.text = self.text[:-1]
        self.keep()

    def clear(self) -> None:
        self.text = ""
        self.keep()
