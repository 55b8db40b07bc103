"""What hands do before a camera: they come into view, spell a word letter by letter, and leave.

`word` writes such a script as people spell, `lesson` as a training set wants it. Both return a `Motion`,
every frame of which knows what it shows; `trace` and `film` show it.
"""

from dataclasses import replace

import numpy as np

from strm.alphabet import ASL
from strm.files import UserError
from strm.landmarks import FPS
from strm.studio import DAY, Signer
from strm.studio.motion import PHASES, Motion, camera_for, film, trace
from strm.studio.poses import forms, stray
from strm.studio.reach import touch
from strm.studio.script import Script, Stance
from strm.studio.skeleton import limited, rotation
from strm.studio.strokes import Stroke, again, pointing, random_stroke

__all__ = ["PHASES", "Motion", "camera_for", "film", "lesson", "trace", "word"]

EASE = np.array([[28.0, 0.0, 34.0, 18.0]] * 4), np.array([28.0, 24.0, -62.0, 18.0, 20.0])  # a hand at ease
QUICKEST = {"hook": 0.3, "zigzag": 0.45}  # seconds: nobody draws it quicker
AWAY_CM = 34.0  # where hands come from, and where they go
# A moving letter's mirror image: few draw it, but of left-handers many a zigzag.
MIRRORED, MIRRORED_LEFT = 0.04, {"hook": 0.04, "zigzag": 0.6}
# How many draw with a hand of its own (a moment of the movement) rather than with the still letter's.
OWN_HAND = {"hook": 0.2, "zigzag": 0.65}
STARTS = {start: letter for letter, start in ASL.moving.items()}
DIFFERENT = 20.0  # degrees, on average over the joints: two letters with something in between


class Speller:
    """A person who spells before a camera: how they hold each letter today, and where."""

    def __init__(self, signer: Signer, rng: np.random.Generator) -> None:
        self.signer, self.rng = signer, rng
        self.hand = float(np.linalg.norm(signer.shape.knuckles[1]))
        self._today: dict[str, Stance] = {}

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def maybe(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def stance(self, letter: str) -> Stance:
        """Hold a still letter, about where the last one was."""
        if letter not in self._today:
            pose = stray(self.signer.habit(letter), self.rng, DAY)
            form = min(forms(letter), key=lambda form: float(np.abs(form.fingers - pose.fingers).sum()))
            fingers, thumb = limited(pose.fingers, touch(form, pose, self.signer.shape))
            self._today[letter] = Stance(fingers, thumb, facing(pose.views[0]), np.zeros(2))
        return self._today[letter]._replace(wrist=self.rng.normal(0, 0.8, 2))

    def _manner(self, letter: str) -> tuple[Stroke, float, bool]:
        """This person's way to draw a moving letter, how tight their hand is then, and whether it is another
        hand than the still letter's."""
        rng = np.random.default_rng([self.signer.manner, 100 + ASL.letters.index(letter)])
        path = ASL.paths[letter]
        left = self.signer.handedness == "Left"
        mirrored = bool(rng.random() < (MIRRORED_LEFT[path] if left else MIRRORED))
        return random_stroke(path, rng, mirrored), float(rng.uniform()), bool(rng.random() < OWN_HAND[path])

    def poised(self, letter: str) -> tuple[Stance, Stroke]:
        """Return the stance from which this person draws a moving letter, and the stroke."""
        habit, tight, own = self._manner(letter)
        stroke = again(habit, self.rng)
        stance = self.stance(letter if own else ASL.moving[letter])
        if not own:
            fingers, thumb = pointing(stance.fingers, stance.thumb, tight)
            fingers[stroke.finger, 0] += stroke.bend[0]
            stance = stance._replace(fingers=fingers, thumb=thumb)
        stance = stance._replace(turn=facing(stroke.view))
        script = Script(stance, self.signer.shape)
        script.draw(stroke, letter, until=1e-6)  # a fingertip that draws points a little to the viewer
        return script.now, stroke

    def away(self, near: Stance) -> Stance:
        """A hand at ease, out of view: mostly below."""
        angle = np.radians(self.rng.normal(-90, 40))
        wrist = near.wrist + AWAY_CM * np.array([np.cos(angle), np.sin(angle)])
        turn = rotation("z", self.rng.normal(0, 20)) @ rotation("x", self.between(0, 60)) @ near.turn
        return Stance(*EASE, turn, wrist)

    def released(self, stance: Stance) -> Stance:
        """Between two equal letters: the hand loosens a little, or it is on its way to the side."""
        loose = self.between(0.1, 0.45)
        bounce = self.rng.normal([0, 0.12], 0.06)
        aside = np.array([-self.between(0.1, 0.4), 0.0]) if self.maybe(0.5) else bounce
        return stance._replace(
            fingers=stance.fingers + loose * (EASE[0] - stance.fingers),
            thumb=stance.thumb + loose * (EASE[1] - stance.thumb),
            wrist=stance.wrist + aside * self.hand,
        )


def facing(view: np.ndarray) -> np.ndarray:
    """Return the rotation [3, 3] of a hand that is seen with this tilt, turn and roll, degrees."""
    tilt, turn, roll = view
    return rotation("z", roll) @ rotation("x", tilt) @ rotation("y", turn)


def word(
    text: str, signer: Signer, rng: np.random.Generator, fps: float = FPS, hurry: float | None = None
) -> Motion:
    """Spell a word: the hand comes into view, holds or draws each letter, and leaves.

    hurry: how fast, 1 as people do on average, 2 twice as fast; drawn at random without it.
    Raises UserError for a text without letters or with anything else than letters.
    """
    letters = text.upper()
    strange = [letter for letter in letters if letter not in ASL.letters]
    if strange or not letters:
        what = f"not {strange[0]!r}" if strange else "at least one"
        raise UserError(f"A word is made of the letters {ASL.letters[0]} to {ASL.letters[-1]}, {what}.")
    speller = Speller(signer, rng)
    pace = hurry or float(np.exp(rng.normal(0, 0.25)))

    def seconds(low: float, high: float) -> float:
        return speller.between(low, high) / pace

    shown = ""  # the still letter that the hand shows, or showed before it drew
    script: Script | None = None
    for letter in letters:
        stance, stroke = speller.poised(letter) if letter in ASL.moving else (speller.stance(letter), None)
        still = ASL.moving.get(letter, letter)
        if script is None:
            script = Script(speller.away(stance), signer.shape)
            script.go(stance, speller.between(0.25, 0.55), "enter")
        elif still == shown:
            script.go(speller.released(script.now), seconds(0.08, 0.2))
            script.go(stance._replace(wrist=script.now.wrist), seconds(0.1, 0.25))
        else:
            script.go(stance, seconds(0.12, 0.4))
        if stroke is None:
            script.hold(seconds(0.2, 1.0), letter)
        else:
            script.hold(seconds(0.1, 0.5), still)
            script.draw(
                replace(stroke, seconds=max(QUICKEST[ASL.paths[letter]], stroke.seconds / pace)), letter
            )
            script.hold(seconds(0.1, 0.35), letter, "rest")
        shown = still
    assert script is not None
    script.go(speller.away(script.now), speller.between(0.25, 0.55), "leave")
    return script.play(fps, rng)


def lesson(label: str, signer: Signer, rng: np.random.Generator, fps: float = FPS) -> Motion:
    """One short clip (1 to 2 s) of a letter or of 'nothing', as a training set wants it.

    A still letter is held, and the arm may carry it about; a moving letter is its start, its stroke and
    a rest; 'nothing' is what looks like a letter and is none: poses from the middle of a stroke that
    stand still, hands that come into view, stopped transitions.
    Raises UserError for any other label.
    """
    speller = Speller(signer, rng)
    if label in ASL.moving:
        return _moving(label, speller).play(fps, rng)
    if label == ASL.nothing:
        return _nothing(speller).play(fps, rng)
    return _still(label, speller).play(fps, rng)


def _arriving(stance: Stance, speller: Speller) -> Script:
    """Begin with this stance, or on the way to it from another letter or from out of view."""
    chance = speller.rng.random()
    if chance < 0.45:
        return Script(stance, speller.signer.shape)
    if chance < 0.6:
        script = Script(speller.away(stance), speller.signer.shape)
        script.go(stance, speller.between(0.25, 0.55), "enter")
        return script
    other = speller.stance(ASL.still[speller.rng.integers(len(ASL.still))])
    script = Script(other, speller.signer.shape)
    script.go(stance, speller.between(0.12, 0.4))
    return script


def _moving(letter: str, speller: Speller) -> Script:
    stance, stroke = speller.poised(letter)
    script = _arriving(stance, speller)
    script.hold(speller.between(0.1, 0.5), ASL.moving[letter])
    script.draw(stroke, letter)
    script.hold(max(speller.between(0.15, 0.6), 1.0 - script.seconds), letter, "rest")
    if ASL.paths[letter] == "zigzag" and speller.maybe(0.25):  # some bring the hand back
        script.go(stance, speller.between(0.25, 0.6))
        script.hold(speller.between(0.1, 0.8), letter, "rest")
    return script


def _still(letter: str, speller: Speller) -> Script:
    stance = speller.stance(letter)
    if letter in STARTS and speller.maybe(0.5):
        # The hand that could begin to draw, or that has drawn, and only stands there.
        stance, stroke = speller.poised(STARTS[letter])
        if speller.maybe(0.25):
            drawn = Script(stance, speller.signer.shape)
            drawn.draw(stroke, letter)
            stance = drawn.now
    script = _arriving(stance, speller)
    rest = max(0.8, speller.between(1.0, 2.0) - script.seconds)
    if speller.maybe(0.3):
        # The arm carries the hand about. What could draw goes straight, so that it draws nothing.
        legs = 1 if letter in STARTS else int(speller.rng.integers(1, 3))
        steps = speller.rng.normal(0, 0.9, (legs, 2)) * speller.hand
        before, during = rest * speller.rng.dirichlet([2, 3, 2])[:2]
        script.hold(before, letter)
        script.carry(np.cumsum(steps, 0), during, letter)
        rest -= before + during
    script.hold(rest, letter)
    return script


def _nothing(speller: Speller) -> Script:
    chance, hold = speller.rng.random(), speller.between(0.7, 1.5)
    if chance < 0.5:  # a moment of a stroke, without the movement
        letter = list(ASL.moving)[speller.rng.integers(len(ASL.moving))]
        stance, stroke = speller.poised(letter)
        drawn = Script(stance, speller.signer.shape)
        drawn.draw(stroke, letter, until=speller.between(0.3, 0.8))
        # Who arrives there by a movement has as good as drawn.
        script = Script(drawn.now, speller.signer.shape)
    elif chance < 0.75:  # a hand that comes and shows no letter
        stance = speller.away(speller.stance(ASL.still[speller.rng.integers(len(ASL.still))]))
        script = Script(stance, speller.signer.shape)
        script.go(stance._replace(wrist=np.zeros(2)), speller.between(0.25, 0.6), "enter")
    else:  # halfway between two letters
        one, other = speller.rng.choice(ASL.still, 2, replace=False)
        while np.abs(speller.stance(one).fingers - speller.stance(other).fingers).mean() < DIFFERENT:
            one, other = speller.rng.choice(ASL.still, 2, replace=False)
        script = Script(speller.stance(one), speller.signer.shape)
        script.go(speller.stance(other), speller.between(0.1, 0.25), until=speller.between(0.4, 0.6))
    script.hold(hold, ASL.nothing)
    return script
