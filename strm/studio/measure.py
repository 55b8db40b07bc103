"""How the numbers of `strm.studio.noise` were found: the detector looks at hands whose points are known.

`python -m strm.studio.measure` renders words, measures how the detector errs in them, writes noise.json,
and tells how close the noise comes to the detector on other words: in data/results/noise.json.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from strm.alphabet import ASL
from strm.files import replacing
from strm.landmarks import POINTS, HandDetector
from strm.studio import random_signer
from strm.studio.motion import film
from strm.studio.noise import CONSTANTS, Noise, apart, blended, palm, seen, speed
from strm.studio.streams import lesson, word

RESULT = Path(__file__).parents[2] / "data" / "results" / "noise.json"
WAYS = 12  # typical ways to err
RIDGE = 0.02  # how little the blend trusts a single recording
GROSS = 0.6  # palms: an error beyond it is another hand, not a noise
HOLD = 0.1  # how little the odds of a lost frame trust a single one
TEXTS = (
    *("QUICK", "BROWN", "FOX", "JUMPS", "LAZY", "DOG", "VEXED", "GLYPH", "WALTZ", "MONTH", "CRAFTS", "FJORD"),
    *("JAZZ", "PYTHON", "KHAKI", "ZEBU", *3 * tuple(ASL.moving)),
)


class Take(NamedTuple):
    """A film: its true points [S, 21, 3], the detector's (NaN where it lost the hand), and t_ms [S]."""

    true: np.ndarray
    got: np.ndarray
    t_ms: np.ndarray


def record(seed: int = 0) -> list[Take]:
    """Film TEXTS, each by another drawn person, all as right hands, and let the detector look."""
    takes, rng = [], np.random.default_rng(seed)
    for text in TEXTS:
        signer = random_signer(rng)
        motion = (word if len(text) > 1 else lesson)(text, signer, rng)
        renders = film(motion, signer, rng)
        true = np.stack([render.points for render in renders])
        got = np.full_like(true, np.nan)
        with HandDetector(video=True) as detector:
            for s, render in enumerate(renders):
                hand = detector.detect(render.image, float(motion.t_ms[s]))
                if hand is not None:
                    got[s] = hand.points
        if signer.handedness == "Left":
            true, got = (points * np.array([-1, 1, 1]) + np.array([1, 0, 0]) for points in (true, got))
        takes.append(Take(true[motion.inside], got[motion.inside], motion.t_ms[motion.inside]))
    return takes


def fit(takes: list[Take]) -> Noise:
    """Measure the noise."""
    true = np.concatenate([take.true / palm(take.true) for take in takes])
    off = np.concatenate([(take.got - take.true) / palm(take.true) for take in takes])
    take_of = np.repeat(np.arange(len(takes)), [len(take.true) for take in takes])
    good = np.linalg.norm(off[..., :2], axis=-1).max(-1) < GROSS  # and found
    blend = _blend(true[good], off[good])
    rest = (off - blended(true, blend)).reshape(-1, 3 * POINTS)
    # The typical ways to err are the main axes of what the blend leaves.
    values, vectors = np.linalg.eigh(rest[good].T @ rest[good] / good.sum())
    values, vectors = values[-WAYS:], vectors[:, -WAYS:]
    amount, weight = rest @ vectors / np.sqrt(values), values / values.sum()
    # Pairs of frames of one take: the farther apart, the less alike they err.
    one, other = np.nonzero(np.triu((take_of[:, None] == take_of) & good & good[:, None], 1))
    far, alike = apart(true)[one, other], (amount[one] * amount[other]) @ weight
    near = min(np.linspace(0.05, 1.0, 96), key=lambda near: float(((alike - np.exp(-far / near)) ** 2).sum()))
    # Of errors that are drawn by chance, some are larger than others; the detector's differ even more.
    chance = np.random.default_rng(0).normal(size=(good.sum(), WAYS))
    sizes = [np.log((part**2) @ weight).std() / 2 for part in (amount[good], chance)]
    spread = np.sqrt(max(0.0, sizes[0] ** 2 - sizes[1] ** 2))
    # What changes from frame to frame in no typical way is jitter: as its middle, for some frames jump.
    jumps = np.concatenate([np.diff(rest[take_of == k], axis=0) for k in range(len(takes))])
    jumps = jumps - jumps @ vectors @ vectors.T
    jitter = 1.4826 * np.nanmedian(np.abs(jumps), axis=0) / np.sqrt(2)
    ways = (vectors * np.sqrt(values)).T.reshape(WAYS, POINTS, 3)
    return Noise(blend, ways, np.array(near), np.array(spread), jitter.reshape(POINTS, 3), _losses(takes))


def _blend(true: np.ndarray, off: np.ndarray) -> np.ndarray:
    """How the detector's points follow from all true ones, by ridge regression: across and in depth."""
    way, out = true - true[:, :1], []
    for axes in ((0, 1), (2,)):
        x, y = (np.concatenate([points[..., axis] for axis in axes]) for points in (way, off))
        out.append(np.linalg.solve(x.T @ x + RIDGE * len(x) * np.eye(POINTS), x.T @ y).T)
    return np.stack(out)


def _losses(takes: list[Take]) -> np.ndarray:
    """Fit the log-odds of a lost frame: a still hand's, for each palm a second, after a lost frame."""
    rows, lost = [], []
    for true, got, t_ms in takes:
        gone = np.isnan(got[:, 0, 0])
        before = np.concatenate([[False], gone[:-1]])
        rows.append(np.stack([np.ones(len(gone)), speed(true, t_ms), before], -1))
        lost.append(gone)
    x, y = np.concatenate(rows), np.concatenate(lost).astype(float)
    weights: np.ndarray = np.zeros(3)
    for _ in range(30):  # Newton's method for a logistic regression
        chance = 1 / (1 + np.exp(-x @ weights))
        slope = x.T @ (y - chance) - HOLD * weights
        weights = weights + np.linalg.solve((x.T * (chance * (1 - chance))) @ x + HOLD * np.eye(3), slope)
    return weights


def compare(takes: list[Take], noise: Noise) -> dict[str, list[float]]:
    """Set the detector's errors in `record`'s takes beside this module's: [detector, module] of each figure.

    across: the median error in the picture, in palms. step: how much it changes from one frame to the next.
    depth: the error of z, its root mean square in palms. alike: how z correlates with the true one. lost: the
    part of the frames.
    """
    rng, figures = np.random.default_rng(0), []
    true = [take.true / palm(take.true) for take in takes]
    detector = [take.got / palm(take.true) for take in takes]
    module = []
    for points, _, t_ms in takes:
        drawn, found = seen(points, rng, t_ms, noise)
        module.append(np.where(found[:, None, None], drawn, np.nan) / palm(points))
    for got in (detector, module):
        off = [a - b for a, b in zip(got, true, strict=True)]
        across = np.linalg.norm(np.concatenate(off)[..., :2], axis=-1)
        steps = np.linalg.norm(np.concatenate([np.diff(o, axis=0) for o in off])[..., :2], axis=-1)
        found = ~np.isnan(across[:, 0])
        z, true_z = (
            (p - p[:, :1])[found, 1:, 2].ravel() for p in (np.concatenate(got), np.concatenate(true))
        )
        depth, alike = np.sqrt(np.mean((z - true_z) ** 2)), np.corrcoef(z, true_z)[0, 1]
        figures.append([np.nanmedian(across), np.nanmedian(steps), depth, alike, 1 - found.mean()])
    names = ("across", "step", "depth", "alike", "lost")
    return {
        name: [round(float(v), 3) for v in both]
        for name, both in zip(names, np.transpose(figures), strict=True)
    }


def save(noise: Noise, path: Path = CONSTANTS) -> None:
    table = {name: np.round(value, 4).tolist() for name, value in noise._asdict().items()}
    with replacing(path) as part:
        part.write_text(json.dumps(table) + "\n", "utf-8")


if __name__ == "__main__":
    recorded = record()
    measured = fit(recorded)
    save(measured)
    print(f"wrote {CONSTANTS}")
    close = compare(record(seed=1), measured)
    for name, (detector, module) in close.items():
        print(f"{name:12} detector {detector:6.3f}   module {module:6.3f}")
    with replacing(RESULT) as file:
        made_by = {"made by": "python -m strm.studio.measure", "each": ["detector", "noise"]}
        file.write_text(json.dumps(made_by | close, indent=1) + "\n", "utf-8")
