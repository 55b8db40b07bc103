"""A player for a recorded word, to scrub in a notebook: the hand, the letters, and what goes on inside.

`Player` knows what each moment shows and needs no browser. Widgets are made only where somebody can move
them: a page that holds a widget's state asks other computers for code, and then it cannot even compute.
"""

import base64
import html
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any

import cv2
import numpy as np

from strm.figures.paper import letter_colour
from strm.filmed import Film
from strm.read import draw
from strm.stream import Reading

PLAYED_FPS = 15.0  # more than this is too much for a notebook far away
JPEG = 85  # of 100
CURSOR = "position:absolute;top:0;bottom:0;border-left:2px solid #dc267f"
CELL = "overflow:hidden;text-align:center;white-space:nowrap"
NAME = "background:#fff;color:#1f2430;padding:0 .1em"
BAR = "height:.8em;border:1px solid #1f2430"
BARS = 6  # em, of a probability of 1


@dataclass(frozen=True)
class Words:
    """What a player says."""

    frame: str = "frame"
    play: str = "play"
    text: str = "text so far"
    nothing: str = "no letter"
    no_hand: str = "no hand"
    picture: str = "The hand at {seconds:.1f} s; read: {letter}."
    inside: str = "What goes on inside, over time."
    read: str = "What is read, over time."
    static: str = "To play it, run this cell in Jupyter or Colab."


def live() -> bool:
    """Whether somebody sits before this notebook. Who runs one to its end alone can't be asked anything."""
    if "google.colab" in sys.modules:
        return True
    notebook = sys.modules.get("IPython")  # there wherever a notebook is
    shell = notebook.get_ipython() if notebook else None
    if shell is None or not hasattr(shell, "get_parent"):
        return False
    request = shell.get_parent()
    return bool(request.get("content", request).get("allow_stdin", False))


class Player:
    """A recorded word to be played and scrubbed.

    readings: what `Recognizer.step` gave for each frame. strips: name -> (t_ms [T], values [T, N], 0 to 1),
    such as gates, drawn below as heat maps.
    """

    def __init__(
        self,
        film: Film,
        readings: Sequence[Reading],
        strips: dict[str, tuple[np.ndarray, np.ndarray]] | None = None,
        words: Words | None = None,
    ) -> None:
        if not len(film.pictures) == len(film.hands) == len(readings) == len(film.t_ms) > 0:
            raise ValueError("a player needs as many pictures, hands, times and readings, and at least one.")
        self.film, self.readings, self.words = film, list(readings), words or Words()
        self.shown = _thinned(film.t_ms, PLAYED_FPS)  # the frames that are played
        self.strips = {name: _strip(t, values, film.t_ms) for name, (t, values) in (strips or {}).items()}
        self.picture = lru_cache(maxsize=256)(self._picture)

    def __len__(self) -> int:
        return len(self.shown)

    def reading(self, i: int) -> Reading:
        """Return what stands there at the i-th frame that is played."""
        return self.readings[self.shown[i]]

    def _picture(self, i: int) -> bytes:
        frame = self.shown[i]
        picture, hand = self.film.pictures[frame], self.film.hands[frame]
        seen = picture if hand is None else draw(picture, hand)
        quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG]
        return cv2.imencode(".jpg", cv2.cvtColor(seen, cv2.COLOR_RGB2BGR), quality)[1].tobytes()

    def view(self, i: int) -> str:
        """Return the i-th moment as HTML: picture, likeliest letters, and the strips with a cursor."""
        words, reading, t_ms = self.words, self.reading(i), self.film.t_ms[self.shown[i]]
        hand = self.film.hands[self.shown[i]] is not None
        letter = html.escape(reading.letter or (words.nothing if hand else words.no_hand))
        alt = words.picture.format(seconds=t_ms / 1000, letter=letter)
        picture = f'<img alt="{alt}" src="{_url(self.picture(i), "jpeg")}" style="width:16em;max-width:100%">'
        bars = "".join(_bar(name, share) for name, share in reading.top3)
        said = f'<div style="font-size:2.2em;line-height:1.3"><b>{letter}</b></div>{bars}'
        top = f'<div style="display:flex;flex-wrap:wrap;gap:1em">{picture}<div>{said}</div></div>'
        start, end = self.film.t_ms[0], self.film.t_ms[-1]
        cursor = 100 * (t_ms - start) / max(end - start, 1e-9)
        rows = "".join(
            f'<div style="font-size:.8em">{html.escape(name)}</div><img alt="{html.escape(words.inside)}" '
            f'src="{url}" style="width:100%;height:6em;image-rendering:pixelated;display:block">'
            for name, url in self.strips.items()
        )
        line = f'<div style="{CURSOR};left:{cursor:.2f}%"></div>'
        return f'{top}<div style="position:relative;margin-top:.5em">{self._ribbon()}{rows}{line}</div>'

    def _ribbon(self) -> str:
        """What was the likeliest letter when, in colours and in letters."""
        out, whole = [], self.film.t_ms
        ends = np.append(whole[self.shown][1:], whole[-1])
        before = whole[0]
        for letter, run in groupby(range(len(self)), lambda i: self.reading(i).letter):
            end = ends[[*run][-1]]
            share, before = 100 * (end - before) / max(whole[-1] - whole[0], 1e-9), end
            colour = letter_colour(letter) if letter else "transparent"
            mark = f'<b style="{NAME}">{html.escape(letter)}</b>' if letter else ""
            out.append(f'<div style="{CELL};width:{share:.3f}%;background:{colour}">{mark}</div>')
        label = html.escape(self.words.read)
        return f'<div role="img" aria-label="{label}" style="display:flex;height:1.5em">{"".join(out)}</div>'

    def text(self, i: int) -> str:
        """Return the text so far as HTML that a screen reader reads when it changes."""
        said = html.escape(self.reading(i).text) or "&nbsp;"
        label = html.escape(self.words.text)
        return f'<div role="status">{label}: <b style="font-size:1.5em;letter-spacing:.1em">{said}</b></div>'

    def widget(self) -> Any:
        """Return the player as an ipywidgets box: play and pause, a slider (arrow keys move it), the view."""
        import ipywidgets

        last = len(self) - 1
        times = self.film.t_ms[self.shown]
        pause = int(np.median(np.diff(times))) if last else 100
        play = ipywidgets.Play(min=0, max=last, interval=max(pause, 66), description=self.words.play)
        slider = ipywidgets.IntSlider(
            min=0,
            max=last,
            description=self.words.frame,
            layout=ipywidgets.Layout(width="24em", max_width="95%"),
        )
        view, text = ipywidgets.HTML(self.view(0)), ipywidgets.HTML(self.text(0))

        def turn(change: dict[str, Any]) -> None:
            view.value, text.value = self.view(change["new"]), self.text(change["new"])

        slider.observe(turn, "value")
        box = ipywidgets.VBox(
            [ipywidgets.HBox([play, slider], layout=ipywidgets.Layout(flex_flow="row wrap")), text, view],
            layout=ipywidgets.Layout(max_width="44em"),
        )
        # In the browser, so that playing does not wait for the kernel; the box keeps it alive.
        box.link = ipywidgets.jslink((play, "value"), (slider, "value"))
        return box

    def show(self) -> None:
        """Show the player where it can be used; elsewhere say in one sentence where that is."""
        if not live():
            print(self.words.static)
            return
        player = self.widget()
        sys.modules["IPython.display"].display(player)  # ipywidgets brings it


def _thinned(t_ms: np.ndarray, fps: float) -> list[int]:
    """Choose frames that are at least 1/fps apart; the last one always."""
    kept = [0]
    for i, t in enumerate(t_ms):
        if t - t_ms[kept[-1]] >= 1000 / fps - 1:
            kept.append(i)
    return kept if kept[-1] == len(t_ms) - 1 else [*kept, len(t_ms) - 1]


def _strip(t_ms: np.ndarray, values: np.ndarray, whole: np.ndarray) -> str:
    """Draw values [T, N], 0 to 1, as the address of a picture that spans the whole film."""
    when = np.linspace(whole[0], whole[-1], 480)
    at = np.abs(t_ms[:, None] - when).argmin(0)
    grey = np.clip(255 * values[at].T, 0, 255).astype(np.uint8)
    coloured = cv2.applyColorMap(grey, cv2.COLORMAP_CIVIDIS)
    coloured[:, (when < t_ms[0] - 100) | (when > t_ms[-1] + 100)] = 255  # nothing was thought there
    return _url(cv2.imencode(".png", coloured)[1].tobytes(), "png")


def _url(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _bar(name: str, share: float) -> str:
    colour, said = letter_colour(name), html.escape(name)
    bar = f'<div style="{BAR};width:{BARS * share:.2f}em;background:{colour}"></div>'
    bar = f'<div style="width:{BARS}em">{bar}</div>'
    return f'<div style="display:flex;align-items:center;gap:.5em">{bar}<span>{said} {share:.0%}</span></div>'
