"""Hands that drift, turn, draw strokes and pass into one another: how few recordings become many streams.

All functions work on batches of isotropic, right-handed hands: photos [B, 21, 3], streams [B, S, 21, 3].
The ranges of the strokes are those measured on recorded people: a J is drawn by the turning forearm more than
by the wrist, a Z by the wrist more than by turning.
"""

import numpy as np

from strm.landmarks import FPS, MIDDLE_KNUCKLE, WRIST


def hand_size(x: np.ndarray) -> np.ndarray:
    """Return the distance from wrist to middle knuckle: [..., 21, 3] -> [..., 1, 1]."""
    return np.linalg.norm(x[..., MIDDLE_KNUCKLE, :] - x[..., WRIST, :], axis=-1)[..., None, None]


def rotation(axis: int, angle: np.ndarray) -> np.ndarray:
    """Return rotation matrices [..., 3, 3] about x (0), y (1) or z (2) by angles [...] in radians."""
    i, j = [(1, 2), (0, 2), (0, 1)][axis]
    matrix = np.zeros((*np.shape(angle), 3, 3), np.float32)
    matrix[..., axis, axis] = 1
    matrix[..., i, i] = matrix[..., j, j] = np.cos(angle)
    matrix[..., j, i] = np.sin(angle)
    matrix[..., i, j] = -matrix[..., j, i]
    return matrix


def turn(hands: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Rotate each hand about its own wrist: [..., 21, 3] by [..., 3, 3]."""
    wrist = hands[..., :1, :]
    return (hands - wrist) @ np.swapaxes(matrix, -1, -2) + wrist


def held(hands: np.ndarray, frames: int, rng: np.random.Generator) -> np.ndarray:
    """Hold each hand [B, 21, 3] still, as people do: with drift, tremor and a slow roll. [B, S, 21, 3]."""
    batch, size = len(hands), hand_size(hands)[:, None]
    # A held hand wanders 0.15 to 0.6 hand sizes a second, some up to 1.5: one way for a while, then another.
    speed = np.cumsum(rng.normal(0, 1, (batch, frames, 1, 3)), 1) + 2 * rng.normal(0, 1, (batch, 1, 1, 3))
    drift = np.cumsum(speed, 1) * [1, 1, 0]
    far = np.linalg.norm(drift, axis=-1, keepdims=True).max(1, keepdims=True)
    pace = rng.choice([0.05, 0.2, 0.5, 0.5, 1.2], (batch, 1, 1, 1)) * rng.uniform(0.5, 1.2, (batch, 1, 1, 1))
    drift *= pace * frames / FPS / np.maximum(far, 1e-6) * size
    drift += np.cumsum(rng.normal(0, 0.01, (batch, frames, 1, 3)), 1) * size * [1, 1, 0]
    roll = np.cumsum(rng.normal(0, 0.02, (batch, frames)), 1)
    tremor = rng.normal(0, 0.006, (batch, frames, 21, 3)) * size
    return (turn(np.repeat(hands[:, None], frames, 1), rotation(2, roll)) + drift + tremor).astype(np.float32)


def drawn(hands: np.ndarray, path: str, frames: int, rng: np.random.Generator) -> np.ndarray:
    """Let each still hand [B, 21, 3] draw a stroke ('hook' or 'zigzag') after a pause. [B, S, 21, 3]."""
    batch = len(hands)

    def between(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, (batch, 1))

    length = rng.integers(*((4, 13) if path == "hook" else (6, 17)), (batch, 1))  # 0.3 to 0.8, 0.4 to 1.1 s
    slower = np.minimum(length * rng.uniform(1, 2, (batch, 1)), frames - 4).astype(int)
    length = np.where(
        rng.random((batch, 1)) < 0.3, np.maximum(length, slower), length
    )  # some take their time
    start = (rng.random((batch, 1)) * np.maximum(1, frames - length - 1)).astype(int)
    u = (np.arange(frames) - start) / length
    if path == "zigzag":  # some bring the hand back afterwards, after a short rest
        rest, back = rng.uniform(1.1, 1.6, (batch, 1)), rng.uniform(0.4, 1, (batch, 1))
        returns = rng.random((batch, 1)) < 0.3
        u = np.where(returns & (u > rest), 1 - (u - rest) / back, u)
    u = np.clip(u, 0, 1)
    u = u * u * (3 - 2 * u)  # people start and stop gently
    x = np.repeat(hands[:, None], frames, 1)
    if path == "hook":  # the forearm turns; the wrist follows a little, a lot, or goes the other way
        late = np.clip((u - 0.2) / 0.8, 0, 1)
        yaw, roll = np.radians(between(0, 150)) * late, np.radians(between(-10, 90)) * late
        tilt = np.radians(between(-70, 40)) * np.sin(np.pi * u) + np.radians(between(-60, 20)) * u
        x = turn(x, rotation(2, roll) @ rotation(1, yaw) @ rotation(0, tilt))
        width, height = between(-0.4, 1.2), between(-0.3, 1.3)
        arc = (1 - np.cos(np.pi * (2 * u - 1))) / 2
        dx = np.where(u < 0.5, -0.15 * np.sin(2 * np.pi * u), width * arc)
        dy = np.where(u < 0.5, height * np.sin(np.pi * u), height * (1 - 0.35 * arc))
    elif path == "zigzag":  # three strokes; the wrist carries part of them, turning the hand the rest
        width, height, carried = between(0.6, 2.6), between(0.3, 2.2), between(0.3, 1)
        zero = np.zeros((batch, 1))
        corners_x = np.hstack([zero, -width, between(-0.2, 0.5) * width - 0.2, -width * between(0.7, 1.2)])
        corners_y = np.hstack([zero, zero, height, height + between(-0.2, 0.3)])
        leg = np.minimum((3 * u).astype(int), 2)
        part = 3 * u - leg

        def along(corners: np.ndarray) -> np.ndarray:
            return (
                np.take_along_axis(corners, leg, 1) * (1 - part)
                + np.take_along_axis(corners, leg + 1, 1) * part
            )

        dx, dy = along(corners_x), along(corners_y)
        roll = np.clip((1 - carried) * dx / 1.8, -1, 1) + np.radians(between(-15, 15)) * np.sin(2 * np.pi * u)
        tilt = -np.arccos(np.clip(1 - (1 - carried) * dy / 1.8, 0.2, 1))
        x = turn(x, rotation(2, roll) @ rotation(0, tilt))
        dx, dy = carried * dx, carried * dy
    else:
        raise ValueError(f"path must be 'hook' or 'zigzag', not {path!r}.")
    size = hand_size(hands)[:, None]
    x = x + np.stack([dx, dy, np.zeros_like(dx)], -1)[:, :, None] * size
    return (x + rng.normal(0, 0.008, x.shape) * size).astype(np.float32)


def vary(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turn, stretch and blur streams [B, S, 21, 3], hide z in some, warp their time, drop frames."""
    batch, frames = x.shape[:2]
    tilt, yaw, roll = rng.normal(0, [[0.2], [0.2], [0.25]], (3, batch))
    matrix = rotation(2, roll) @ rotation(1, yaw) @ rotation(0, tilt)
    size = hand_size(x).mean(1, keepdims=True)
    x = (x - x[:, :1, :1]) @ np.swapaxes(matrix, -1, -2)[:, None]
    x = x * (1 + 0.1 * rng.normal(size=(batch, 1, 1, 3)))
    if frames > 1:
        x = _warp(x, rng)
    x = x + 0.015 * size * rng.normal(size=x.shape)
    x[rng.random(batch) < 0.3, :, :, 2] = 0
    return x.astype(np.float32)


def _warp(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Play each stream at another pace (0.6 to 1.4); lose a few frames of some, bridged by straight lines."""
    batch, frames = x.shape[:2]
    t = np.arange(frames) * rng.uniform(0.6, 1.4, (batch, 1)) + rng.uniform(-1.5, 1.5, (batch, 1))
    x = _at(x, np.clip(t, 0, frames - 1))
    lost = (rng.random((batch, frames)) < 0.08) & (rng.random((batch, 1)) < 0.3)
    lost[:, [0, -1]] = False
    bridge = (np.roll(x, 1, 1) + np.roll(x, -1, 1)) / 2
    return np.where(lost[..., None, None], bridge, x)


def _at(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Interpolate x [B, S, 21, 3] at frames t [B, S']."""
    i = np.minimum(t.astype(int), x.shape[1] - 2)
    part = (t - i)[..., None, None]
    return _take(x, i) * (1 - part) + _take(x, i + 1) * part


def _take(x: np.ndarray, frame: np.ndarray) -> np.ndarray:
    return x[np.arange(len(x))[:, None], frame]


TAIL = 0.3  # how much the frames of a letter that gives way count


def splice(x: np.ndarray, y: np.ndarray, weights: np.ndarray, rng: np.random.Generator):
    """Begin some streams with the end of another: a state must learn to let go of the last letter.

    x: [B, S, 21, 3], y: class numbers [B, S], weights: [B, S], how much each frame counts.
    Returns the same three. The other letter's frames count less, those on the way from one to the other 0.
    """
    batch, frames = x.shape[:2]
    now = np.arange(frames)[None]
    other = rng.permutation(batch)
    longest = max(2, frames // 2)
    begun = rng.integers(2, longest + 1, (batch, 1))
    n = np.minimum(begun, frames - 1) * (rng.random((batch, 1)) < 0.6)  # frames of the other letter
    before = now < n
    at, at_end = np.maximum(now - n, 0), np.clip(frames - n + now, 0, frames - 1)
    main, tail = _take(x, at), _take(x[other], at_end)
    size = hand_size(main[:, :1])
    tail = (tail - tail[:, :1, :1]) * (size / np.maximum(hand_size(tail[:, :1]), 1e-4)) + main[:, :1, :1]
    # The other letter was elsewhere; 0 to 4 frames lead over to this one.
    end = _take(tail, np.maximum(n - 1, 0))
    elsewhere = 0.5 * size * rng.normal(size=(batch, 1, 1, 3)) * [1, 1, 0]
    tail = tail + (main[:, :1, :1] - end[:, :, :1]) + elsewhere
    k = np.minimum(rng.integers(0, 5, (batch, 1)), np.maximum(n - 1, 0))
    over = np.clip((now - (n - 1 - k)) / (k + 1), 0, 1)[..., None, None]
    last = _take(tail, np.maximum(n - 1 - k, 0))
    tail = np.where(over > 0, last * (1 - over) + main[:, :1] * over, tail)
    of_tail = np.where(over[..., 0, 0] > 0, 0.0, TAIL * (_take(weights[other], at_end) > 0))
    return (
        np.where(before[..., None, None], tail, main).astype(np.float32),
        np.where(before, _take(y[other], at_end), _take(y, at)),
        np.where(before, of_tail, _take(weights, at)).astype(np.float32),
    )
