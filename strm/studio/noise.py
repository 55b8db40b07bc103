"""How the detector errs: landmarks without pixels, as if it had seen them.

Its points differ from the true ones in four ways. It has its own idea of where in a hand a landmark is,
and blends the true points accordingly. It errs in a few typical ways: alike where the hand looks alike, so
that a held letter is seen wrongly, but steadily. Every point jitters. And now and then, the faster the
hand the more often, it loses the hand. The numbers are in noise.json; `python -m strm.studio.noise`
renders words, lets the detector look at them, and measures these numbers anew.
"""

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from strm.alphabet import ASL
from strm.files import replacing
from strm.landmarks import FPS, KNUCKLES, POINTS, HandDetector
from strm.studio import Signer, random_signer
from strm.studio.motion import Motion, camera_for, film, trace
from strm.studio.streams import lesson, word

CONSTANTS = Path(__file__).with_name("noise.json")
WAYS = 12  # typical ways to err
RIDGE = 0.02  # how little the blend trusts a single recording
GROSS = 0.6  # palms: an error beyond it is another hand, not a noise
# Every letter, and the common ones more often.
TEXTS = (
    *("QUICK", "BROWN", "FOX", "JUMPS", "LAZY", "DOG", "VEXED", "GLYPH", "WALTZ", "MONTH", "CRAFTS", "FJORD"),
    *("JAZZ", "PYTHON", "KHAKI", "ZEBU", *3 * tuple(ASL.moving)),
)


class Noise(NamedTuple):
    """What was measured; lengths are in palms (mean distance from the wrist to points 5, 9, 13, 17).

    blend: [2, 21, 21] what each point gets of each other's way from the wrist: across the picture, in depth.
    ways: [K, 21, 3] the typical ways to err. near: how far the points go until the error is another one.
    spread: how much larger some errors are than others, on a log scale. jitter: [21, 3] standard deviations
    from frame to frame. lost: [3] the log-odds of losing a hand: of a still one, more for each palm a
    second, and more where it is lost already.
    """

    blend: np.ndarray
    ways: np.ndarray
    near: np.ndarray
    spread: np.ndarray
    jitter: np.ndarray
    lost: np.ndarray


@cache
def constants() -> Noise:
    table = json.loads(CONSTANTS.read_text("utf-8"))
    return Noise(**{name: np.array(table[name]) for name in Noise._fields})


def palm(points: np.ndarray) -> np.ndarray:
    """Return the size of hands [S, 21, 3]: [S, 1, 1]."""
    return np.linalg.norm(points[:, KNUCKLES] - points[:, :1], axis=-1).mean(-1)[:, None, None]


def speed(points: np.ndarray, t_ms: np.ndarray) -> np.ndarray:
    """Return how fast hands [S, 21, 3] move across the picture, palms a second: [S]."""
    if len(points) < 2:
        return np.zeros(len(points))
    middle = points[..., :2].mean(1)
    return 1000 * np.linalg.norm(np.gradient(middle, t_ms, axis=0), axis=-1) / palm(points)[:, 0, 0]


def seen(
    points: np.ndarray, rng: np.random.Generator, t_ms: np.ndarray | None = None, noise: Noise | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return true landmarks [S, 21, 3] as the detector would give them, float32, and where it found any [S].

    t_ms: [S] the frames' times; without them, 15 a second. Points that were lost are given all the same.
    """
    noise = noise or constants()
    frames = len(points)
    t_ms = np.arange(frames) * 1000 / FPS if t_ms is None else t_ms
    # Frames [S, S] are alike, 0 to 1, by how near to each other their hands are; so then are their errors.
    alike = np.exp(-_apart(points) / noise.near) + 1e-6 * np.eye(frames)
    drawn = np.linalg.cholesky(alike) @ rng.normal(size=(frames, len(noise.ways) + 1))
    amount = drawn[:, 1:] * np.exp(noise.spread * drawn[:, :1] - noise.spread**2)
    error = np.tensordot(amount, noise.ways, 1) + noise.jitter * rng.normal(size=(frames, POINTS, 3))
    off = blended(points, noise.blend) + palm(points) * error
    off[..., 2] -= off[:, :1, 2]
    still, faster, again = noise.lost
    odds, chance, found = still + faster * speed(points, t_ms), rng.random(frames), np.ones(frames, bool)
    for s in range(frames):
        lost_before = s > 0 and not found[s - 1]
        found[s] = chance[s] > 1 / (1 + np.exp(-odds[s] - again * lost_before))
    return (points + off).astype(np.float32), found


def _apart(points: np.ndarray) -> np.ndarray:
    """How different hands [S, 21, 3] look, frame against frame: [S, S] palms, the mean over the points."""
    ways = ((points - points[:, :1]) / palm(points)).reshape(len(points), -1) / np.sqrt(POINTS)
    return cdist(ways, ways)


def blended(points: np.ndarray, blend: np.ndarray) -> np.ndarray:
    """How far the detector's idea of each point is from the true one: [S, 21, 3] -> [S, 21, 3]."""
    way = points - points[:, :1]
    return np.stack([way[..., axis] @ blend[axis // 2].T for axis in range(3)], -1)


def fast(motion: Motion, signer: Signer, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return a motion's landmarks as the detector would give them, and where it found a hand: no pixels."""
    points = trace(motion, signer, camera_for(motion, signer, rng))
    points, found = seen(points, rng, motion.t_ms)
    return points, found & motion.inside


def record(seed: int = 0) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Film TEXTS: of each the true and the detector's points [S, 21, 3], NaN where it lost them, and t_ms."""
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
        takes.append((true[motion.inside], got[motion.inside], motion.t_ms[motion.inside]))
    return takes


def fit(takes: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Noise:
    """Measure the noise from `record`'s takes."""
    true = np.concatenate([take[0] / palm(take[0]) for take in takes])
    off = np.concatenate([(take[1] - take[0]) / palm(take[0]) for take in takes])
    take_of = np.repeat(np.arange(len(takes)), [len(take[0]) for take in takes])
    good = np.linalg.norm(off[..., :2], axis=-1).max(-1) < GROSS  # and found
    way = true - true[:, :1]
    blend = []
    for axes in ((0, 1), (2,)):
        x = np.concatenate([way[good][..., axis] for axis in axes])
        y = np.concatenate([off[good][..., axis] for axis in axes])
        blend.append(np.linalg.solve(x.T @ x + RIDGE * len(x) * np.eye(POINTS), x.T @ y).T)
    rest = off - blended(true, np.stack(blend))
    flat = rest[good].reshape(-1, 3 * POINTS)
    values, vectors = np.linalg.eigh(flat.T @ flat / len(flat))
    ways = (vectors[:, -WAYS:] * np.sqrt(values[-WAYS:])).T.reshape(WAYS, POINTS, 3)
    # How much of each way there is in each frame, with a variance of 1.
    amount = rest.reshape(-1, 3 * POINTS) @ (vectors[:, -WAYS:] / np.sqrt(values[-WAYS:]))
    weight = values[-WAYS:] / values[-WAYS:].sum()
    # Pairs of frames of one take: the farther apart, the less alike they err.
    one, other = np.nonzero(np.triu((take_of[:, None] == take_of) & good & good[:, None], 1))
    far, alike = _apart(true)[one, other], (amount[one] * amount[other]) @ weight
    near = min(np.linspace(0.05, 1.0, 96), key=lambda near: float(((alike - np.exp(-far / near)) ** 2).sum()))
    # Of errors that are drawn by chance, some are larger than others; the detector's differ even more.
    chance = np.random.default_rng(0).normal(size=(len(flat), WAYS))
    sizes = [np.log((part**2) @ weight).std() / 2 for part in (amount[good], chance)]
    spread = np.sqrt(max(0.0, sizes[0] ** 2 - sizes[1] ** 2))
    jumps = np.concatenate([np.diff(rest[take_of == k], axis=0) for k in range(len(takes))])
    jumps = jumps - np.tensordot(
        jumps.reshape(-1, 3 * POINTS) @ np.linalg.pinv(ways.reshape(WAYS, -1)), ways, 1
    )
    jitter = 1.4826 * np.nanmedian(np.abs(jumps), axis=0) / np.sqrt(2)
    return Noise(np.stack(blend), ways, np.array(near), np.array(spread), jitter, _losses(takes))


def _losses(takes) -> np.ndarray:
    """Fit the log-odds of a lost frame: a still hand's, for each palm a second, after a lost frame."""
    rows, lost = [], []
    for true, got, t_ms in takes:
        gone = np.isnan(got[:, 0, 0])
        before = np.concatenate([[False], gone[:-1]])
        rows.append(np.stack([np.ones(len(gone)), speed(true, t_ms), before], -1))
        lost.append(gone)
    x, y = np.concatenate(rows), np.concatenate(lost).astype(float)
    weights: np.ndarray = np.zeros(3)
    for _ in range(30):  # Newton's method for a logistic regression, held back a little
        chance = 1 / (1 + np.exp(-x @ weights))
        slope = x.T @ (y - chance) - 0.1 * weights
        weights = weights + np.linalg.solve((x.T * (chance * (1 - chance))) @ x + 0.1 * np.eye(3), slope)
    return weights


def save(noise: Noise, path: Path = CONSTANTS) -> None:
    table = {name: np.round(value, 4).tolist() for name, value in noise._asdict().items()}
    with replacing(path) as part:
        part.write_text(json.dumps(table) + "\n", "utf-8")


if __name__ == "__main__":
    measured = fit(record())
    save(measured)
    print(f"wrote {CONSTANTS}")
