"""The one table that names the letters. Another language's alphabet is another table and another dataset."""

from dataclasses import dataclass, field

from strm.files import UserError


@dataclass(frozen=True)
class Alphabet:
    """A fingerspelling alphabet: its still letters, and those that are a movement.

    `moving` maps a moving letter to the still letter it starts from, `paths` to the kind of stroke
    it draws (see `strm.augment.drawn`). `extras` are labels that are not letters. `shapes` maps `held:…`
    labels (a moving letter's handshape without its movement) to the class that such a clip counts as.
    """

    name: str
    letters: tuple[str, ...]
    moving: dict[str, str]
    paths: dict[str, str]
    shapes: dict[str, str]
    extras: tuple[str, ...] = ("nothing", "space", "del")
    nothing: str = "nothing"
    _known: dict[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        known = {label.casefold(): label for label in (*self.letters, *self.extras)}
        known |= {f"held:{letter}".casefold(): target for letter, target in self.shapes.items()}
        object.__setattr__(self, "_known", known)

    @property
    def still(self) -> tuple[str, ...]:
        """The letters that one photo can show."""
        return tuple(letter for letter in self.letters if letter not in self.moving)

    def label(self, text: str) -> str:
        """Return the class of a file's label: `a` is A, `held:J` an I, `word:…` 'nothing'."""
        folded = str(text).strip().casefold()
        if folded.startswith("word:"):
            return self.nothing
        try:
            return self._known[folded]
        except KeyError:
            raise UserError(
                f"Unknown label {text!r}: labels are the letters {self.letters[0]} to {self.letters[-1]}, "
                f"{', '.join(self.extras)}, held:LETTER or word:NAME."
            ) from None

    def word(self, text: str) -> str:
        """Return what a stream's label spells: `Jazz` JAZZ, `held:J` I, 'nothing' and `word:…` no letter.

        Raises UserError for anything else than letters.
        """
        spelt = "".join(str(text).upper().split())
        if text.strip() not in self.extras and spelt and set(spelt) <= set(self.letters):
            return spelt
        try:
            label = self.label(text)
        except UserError:
            raise UserError(
                f"{text!r} is no word: a stream's label is what it spells, in the letters "
                f"{self.letters[0]} to {self.letters[-1]}."
            ) from None
        return label if label in self.letters else ""

    def order(self, labels: set[str]) -> list[str]:
        """Sort labels as the alphabet does, letters first, and what it does not know last."""
        known = [label for label in (*self.letters, *self.extras) if label in labels]
        return known + sorted(labels - {*known})


ASL = Alphabet(
    name="ASL",
    letters=tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    moving={"J": "I", "Z": "D"},
    paths={"J": "hook", "Z": "zigzag"},
    shapes={"J": "I", "Z": "D"},
)
