"""A player for a recorded word, to scrub in a notebook: the hand, the letters, and what goes on inside.

`Player` knows what each moment shows and needs no browser. Widgets are made only where somebody can move
them: a page that holds a widget's state asks other computers for code, and then it cannot even compute.
"""

import html
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any

import cv2
import numpy as np

from strm import moment
from strm.figures.paper import letter_colour
from strm.filmed import Film
from strm.moment import Words
from strm.notebook import display, live
from strm.stream import Reading

PLAYED_FPS = 15.0  # more than this is too much for a notebook far away
CURSOR = "position:absolute;top:0;bottom:0;border-left:2px solid #dc267f"
CELL = "overflow:hidden;text-align:center;white-space:nowrap;line-height:1.5em"
NAME = "background:#fff;color:#1f2430;padding:0 .1em"


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
        return moment.jpeg(self.film.pictures[frame], self.film.hands[frame])

    def view(self, i: int) -> str:
        """Return the i-th moment as HTML: picture, likeliest letters, and the strips with a cursor."""
        words, reading, t_ms = self.words, self.reading(i), self.film.t_ms[self.shown[i]]
        hand = self.film.hands[self.shown[i]]
        alt = words.picture.format(seconds=t_ms / 1000, letter=moment.named(reading, hand, words))
        top = moment.view(self.picture(i), alt, reading, hand, words)
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
        """Return the text so far as HTML."""
        return moment.line(self.reading(i).text, self.words)

    def widget(self) -> Any:
        """Return the player as an ipywidgets box: play, reset, a slider, a number for arrow keys, the view.

        Reset goes back to the first frame, where the state is new and the text empty.
        """
        import ipywidgets

        class Count(ipywidgets.Play):
            # No echo of what the browser counted: an old one would undo a reset.
            value = ipywidgets.widgets.widget_int.CInt().tag(sync=True, echo_update=False)

        last = len(self) - 1
        times = self.film.t_ms[self.shown]
        pause = int(np.median(np.diff(times))) if last else 100
        # What counts the frames has buttons without names: one with a name stands in for them.
        hidden, narrow = ipywidgets.Layout(display="none"), ipywidgets.Layout(width="auto")
        count = Count(min=0, max=last, interval=max(pause, 66), layout=hidden)
        play = ipywidgets.ToggleButton(description=self.words.play, icon="play", layout=narrow)
        reset = ipywidgets.Button(description=self.words.reset, layout=narrow)
        slider = ipywidgets.IntSlider(min=0, max=last, readout=False, layout=ipywidgets.Layout(width="14em"))
        # Arrow keys always reach a number; those of a slider JupyterLab may take for its own shortcuts.
        number = ipywidgets.BoundedIntText(
            min=0,
            max=last,
            continuous_update=True,
            description=self.words.frame,
            layout=ipywidgets.Layout(width="10em"),
            style={"description_width": "initial"},
        )
        view, text = ipywidgets.HTML(self.view(0)), ipywidgets.HTML(self.text(0))
        playing = "playing" if count.has_trait("playing") else "_playing"  # its name before ipywidgets 8

        def turn(change: dict[str, Any]) -> None:
            view.value, text.value = self.view(change["new"]), self.text(change["new"])

        def begin_anew(_: Any) -> None:
            # Only the count is moved, and told so even if it is thought to be there: the link then moves the
            # slider in the browser, and so after every frame that the browser has on its way to us.
            count.set_trait(playing, False)
            count.value = 0
            count.send_state([playing, "value"])

        slider.observe(turn, "value")
        reset.on_click(begin_anew)
        row = ipywidgets.Layout(flex_flow="row wrap")
        controls = ipywidgets.HBox([play, reset, slider, number, count], layout=row)
        box = ipywidgets.VBox([controls, text, view], layout=ipywidgets.Layout(max_width="44em"))
        # In the browser, so that playing does not wait for the kernel; the box keeps them alive.
        box.links = [
            ipywidgets.jslink((count, "value"), (slider, "value")),
            ipywidgets.jslink((slider, "value"), (number, "value")),
            ipywidgets.jslink((play, "value"), (count, playing)),
        ]
        return box

    def show(self) -> None:
        """Show the player where it can be used; elsewhere say in one sentence where that is."""
        if not live():
            print(self.words.static)
            return
        display(self.widget())


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
    return moment.url(cv2.imencode(".png", coloured)[1].tobytes(), "png")
