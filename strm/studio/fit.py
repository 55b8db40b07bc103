"""How the further forms in poses.json were found: the skeleton, fitted to the landmarks of people's photos.

`python -m strm.studio.fit AUTHOR LETTER [FORMS]` prints an author's forms of a letter as poses.json has
them. It needs STRM_REAL_DATA. Only authors who judge no pose may be fitted to. The table was made from
another draw of their photos, so its angles differ by some degrees, and its views more.
"""

import json
import sys

import numpy as np
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation
from sklearn.cluster import KMeans

from strm.alphabet import ASL
from strm.studio.dataset import view
from strm.studio.poses import Pose, forms
from strm.studio.skeleton import AVERAGE, FINGER_LIMITS, FINGERS, THUMB_LIMITS, joints, landmarks
from strm.studio.strokes import pointing

DEPTH = 0.5  # how much the detector's z counts beside its x and y
STIFFNESS, LEANING = 0.012, 0.04  # how little joints may stray, and fingers lean, for nothing
LOOSE = 0.14  # hands: a worse fit is no fit
PHOTOS, VIEWS = 30, 4
TURNED = [(x, y, z) for x in (0, 40) for y in (-60, 0, 60, 120) for z in (0, 60)]  # hands that draw, degrees
# What tells two ways to hold a letter apart: knuckle, lean, joints of each finger, the thumb, and the view.
WEIGHTS = np.concatenate([np.tile([1, 2, 0.8, 0.4], 4), [0.7, 0.7, 0.3, 0.5, 0.3], np.full(9, 45.0)])


def beginnings(letter: str) -> list[tuple[Pose, np.ndarray]]:
    """Return poses and views [3] to begin with: the table's, or for a moving letter its start's, turned."""
    if letter not in ASL.moving:
        return [(form, degrees) for form in forms(letter) for degrees in np.unique(form.views, axis=0)]
    start = forms(ASL.moving[letter])[0]
    fingers, thumb = pointing(start.fingers, start.thumb, 1.0)
    return [(Pose(fingers, thumb, start.views), np.array(degrees, float)) for degrees in TURNED]


def fit_hand(
    points: np.ndarray, begin: list[tuple[Pose, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray, float]:
    """Fit the average hand to landmarks [21, 3] of a right hand (y down, z away from the camera).

    Returns the 21 joint angles (fingers, then thumb) in degrees, the hand's turn [3, 3], and how far its
    points are off in the picture (root mean square, in hands).
    """
    hand = np.linalg.norm(AVERAGE.knuckles[1])
    seen = (points - points[0]) * [1, -1, -1]
    seen = seen / np.linalg.norm(seen[9]) * hand
    weight = np.array([1, 1, DEPTH])
    low, high = np.concatenate([np.tile(FINGER_LIMITS, (4, 1)), THUMB_LIMITS]).T

    def place(v: np.ndarray) -> np.ndarray:
        """Angles [21], rotation vector [3], place [3] and log of the size [1] -> landmarks [21, 3]."""
        body = landmarks(joints(v[:16].reshape(4, 4), v[16:21], AVERAGE))
        return body @ Rotation.from_rotvec(v[21:24]).as_matrix().T * np.exp(v[27]) + v[24:27]

    best = None
    for pose, (tilt, turn, roll) in begin:
        angles = np.clip(np.concatenate([pose.fingers.ravel(), pose.thumb]), low + 0.1, high - 0.1)
        turned = Rotation.from_euler("yxz", [turn, tilt, roll], degrees=True).as_rotvec()
        first = np.concatenate([angles, turned, np.zeros(4)])

        def rigid(v: np.ndarray, first: np.ndarray = first) -> np.ndarray:
            return ((place(np.concatenate([first[:21], v])) - seen) * weight).ravel()

        first[21:] = least_squares(rigid, first[21:], max_nfev=12).x
        cost = float((rigid(first[21:]) ** 2).sum())
        if best is None or cost < best[0]:
            best = cost, first
    assert best is not None
    first = best[1]

    def bent(v: np.ndarray) -> np.ndarray:
        off = (v - first)[:21]
        return np.concatenate([((place(v) - seen) * weight).ravel(), STIFFNESS * off, LEANING * off[1:16:4]])

    far = np.full(7, np.inf)
    bounds = np.concatenate([low, -far]), np.concatenate([high, far])
    scale = np.concatenate([np.full(21, 20.0), np.full(3, 0.3), np.ones(3), [0.1]])
    found = least_squares(bent, first, bounds=bounds, max_nfev=25, x_scale=scale).x
    miss = np.sqrt(((place(found) - seen)[:, :2] ** 2).sum(1).mean()) / hand
    return found[:21], Rotation.from_rotvec(found[21:24]).as_matrix(), float(miss)


def typical(angles: np.ndarray, turns: np.ndarray, count: int) -> list[dict]:
    """Sum fits [N, 21] and [N, 3, 3] up as `count` forms, each with a few of the views it was seen in."""
    ways = WEIGHTS * np.hstack([angles, turns.reshape(-1, 9)])
    group = KMeans(count, n_init=10, random_state=0).fit(ways).labels_
    out = []
    for number in range(count):
        of = turns[group == number]
        near = KMeans(min(VIEWS, len(of)), n_init=5, random_state=0).fit(of.reshape(-1, 9)).transform
        middle = view(of[near(of.reshape(-1, 9)).argmin(0)])
        joint = np.rint(np.median(angles[group == number], 0)).astype(int)
        fingers = dict(zip(FINGERS, joint[:16].reshape(4, 4).tolist(), strict=True))
        out.append(fingers | {"thumb": joint[16:].tolist(), "views": np.rint(middle).astype(int).tolist()})
    return out


def main(author: str, letter: str, count: str = "1") -> None:
    from strm.data import hands, people
    from strm.trials import photo_table, real_tables

    table = real_tables()[0] if letter in ASL.moving else photo_table()
    mine = table[(people(table) == author) & (table["label"] == letter).to_numpy()]
    points = hands(mine)[np.random.default_rng(0).permutation(len(mine))[:PHOTOS]]
    fits = [fit_hand(one, beginnings(letter)) for one in points]
    good = [one for one in fits if one[2] < LOOSE]
    for form in typical(np.array([a for a, _, _ in good]), np.array([t for _, t, _ in good]), int(count)):
        print(json.dumps({letter: form}))


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit("Name an author and a letter: python -m strm.studio.fit AUTHOR LETTER [FORMS]")
    main(*sys.argv[1:])
