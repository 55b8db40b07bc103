"""What one moment of a stream looks like in a notebook: the picture with its hand, the letters, the text."""

import base64
import html
from dataclasses import dataclass

import cv2
import numpy as np

from strm.figures.paper import letter_colour
from strm.landmarks import Hand
from strm.read import draw
from strm.stream import Reading

JPEG = 85  # of 100
BAR = "height:.8em;border:1px solid #1f2430"
BARS = 6  # em, of a probability of 1


@dataclass(frozen=True)
class Words:
    """What a player says."""

    frame: str = "frame"
    play: str = "Play"
    reset: str = "Reset"
    text: str = "text so far"
    nothing: str = "no letter"
    no_hand: str = "no hand"
    picture: str = "The hand at {seconds:.1f} s; read: {letter}."
    inside: str = "What goes on inside, over time."
    read: str = "What is read, over time."
    static: str = "To play it, run this cell in Jupyter or Colab."


def jpeg(picture: np.ndarray, hand: Hand | None, mirror: bool = False) -> bytes:
    """Return a picture, uint8 RGB [H, W, 3], with its landmarks on it. mirror: flip it, for eyes only."""
    seen = picture if hand is None else draw(picture, hand)
    seen = cv2.cvtColor(cv2.flip(seen, 1) if mirror else seen, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", seen, [cv2.IMWRITE_JPEG_QUALITY, JPEG])[1].tobytes()


def named(reading: Reading, hand: Hand | None, words: Words) -> str:
    """Return the letter that is read, or in words that there is none."""
    return reading.letter or (words.nothing if hand is not None else words.no_hand)


def letters(reading: Reading, hand: Hand | None, words: Words) -> str:
    """Return the letter and the three likeliest classes as HTML."""
    bars = "".join(_bar(name, share) for name, share in reading.top3)
    letter = html.escape(named(reading, hand, words))
    return f'<div style="font-size:2.2em;line-height:1.3"><b>{letter}</b></div>{bars}'


def view(picture: bytes, alt: str, reading: Reading, hand: Hand | None, words: Words) -> str:
    """Return a JPEG, what it shows in words, and what is read in it, side by side, as HTML."""
    shown = f'<img alt="{html.escape(alt)}" src="{url(picture, "jpeg")}" style="width:16em;max-width:100%">'
    said = f"<div>{letters(reading, hand, words)}</div>"
    return f'<div style="display:flex;flex-wrap:wrap;gap:1em">{shown}{said}</div>'


def line(text: str, words: Words) -> str:
    """Return the text so far as HTML that a screen reader reads when it changes."""
    said = html.escape(text) or "&nbsp;"
    label = html.escape(words.text)
    big = "font-size:1.5em;letter-spacing:.1em;overflow-wrap:anywhere"
    return f'<div role="status">{label}: <b style="{big}">{said}</b></div>'


def url(data: bytes, kind: str) -> str:
    """Return the address of a picture that carries it whole."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _bar(name: str, share: float) -> str:
    colour, said = letter_colour(name), html.escape(name)
    bar = f'<div style="{BAR};width:{BARS * share:.2f}em;background:{colour}"></div>'
    bar = f'<div style="width:{BARS}em">{bar}</div>'
    return f'<div style="display:flex;align-items:center;gap:.5em">{bar}<span>{said} {share:.0%}</span></div>'
