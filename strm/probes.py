"""What only a carried state or a recursion can do, measured: each probe is made for every net alike.

A window ends, a state need not: strokes that take seconds, lose frames or stop on the way. Thinking can stop
as soon as the net is sure. And what a stream leaves behind has the same size after any number of frames.
Strokes are clips of moving letters by people whom the training left out.
"""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from strm.bundle import Bundle
from strm.data import Clip, sample_at
from strm.decode import Decoder, decode, probabilities
from strm.evaluate import model_input
from strm.joined import hold, moving_part
from strm.landmarks import FEATURES, FPS, KNUCKLES
from strm.model import State

SECONDS = (1.0, 2.0, 3.0)
LOST, STOPPED = (3, 5, 8), (4, 8, 16, 24)  # frames
SURE = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 1.0)
RECOGNIZER = Decoder()  # the recogniser's own settings
MARGIN = 2  # frames before and after the movement
BEFORE, WAY, AFTER = 12, 4, 24  # frames: another letter is held, the hand goes over, this one is held
PER_LETTER = 10  # photos that are held so


def slow(
    bundle: Bundle,
    strokes: Sequence[Clip],
    decoder: Decoder = RECOGNIZER,
    seconds: Sequence[float] = SECONDS,
) -> dict[str, Any]:
    """Let every stroke take so long: what is read of it (`read`), by its duration; 'own' is its own."""
    moves = [_movement(clip.hands) for clip in strokes]
    out = {"own": read(bundle, strokes, moves, decoder)}
    for duration in seconds:
        frames = round(duration * FPS)
        slowed = [sample_at(x, np.linspace(0, len(x) - 1, frames)) for x in moves]
        out[f"{duration:g}s"] = read(bundle, strokes, slowed, decoder)
    return out


def interrupted(
    bundle: Bundle,
    strokes: Sequence[Clip],
    decoder: Decoder = RECOGNIZER,
    lost: Sequence[int] = LOST,
    stopped: Sequence[int] = STOPPED,
) -> dict[str, Any]:
    """Lose frames in the middle of every stroke, or let the hand stop there: what is read of it (`read`).

    Lost frames are bridged as `strm.stream.Resampler` bridges them, by straight lines.
    """
    moves = [_movement(clip.hands) for clip in strokes]
    out = {"whole": read(bundle, strokes, moves, decoder)}
    for count in lost:
        out[f"{count}_lost"] = read(bundle, strokes, [_bridged(x, count) for x in moves], decoder)
    for count in stopped:
        rng = np.random.default_rng(count)
        halves = [np.split(x, [len(x) // 2]) for x in moves]
        streams = [np.concatenate([a, _still(b[0], count, rng), b]) for a, b in halves]
        out[f"{count}_stopped"] = read(bundle, strokes, streams, decoder, pause=count)
    return out


def read(
    bundle: Bundle,
    strokes: Sequence[Clip],
    streams: Sequence[np.ndarray],
    decoder: Decoder = RECOGNIZER,
    pause: int = 0,
) -> dict[str, Any]:
    """Say which share of streams [S, 21, 3] is read as the moving letter that it shows.

    `typed`: the decoder writes the letter. `last_third`: it is the likeliest of the last third. Each has
    `moving`, the share of strokes; `still`, that of poses three quarters on the way which are held just as
    long; and `balanced`, the accuracy on both. Letters count alike. pause: frames in the middle that are no
    part of the movement, nor of its last third.
    """
    rng = np.random.default_rng(0)
    still = [_still(x[-1 - (len(x) - pause) // 4], len(x), rng) for x in streams]
    labels = [clip.label for clip in strokes]
    found = [_found(bundle, labels, these, decoder, pause) for these in (list(streams), still)]
    out: dict[str, Any] = {"n": len(labels)}
    for measure in ("typed", "last_third"):
        moving, false = (
            float(np.mean([found_[measure][np.equal(labels, letter)].mean() for letter in sorted({*labels})]))
            for found_ in found
        )
        out[measure] = {"moving": moving, "still": false, "balanced": (moving + 1 - false) / 2}
    return out


def _found(
    bundle: Bundle, labels: list[str], streams: list[np.ndarray], decoder: Decoder, pause: int
) -> dict[str, np.ndarray]:
    """Tell by both measures whether each stream is read as its label. [N] bool."""
    names = bundle.class_names
    typed, last = [], []
    for label, thought in zip(labels, probabilities(bundle, streams), strict=True):
        typed.append(label in decode(thought, names, decoder))
        end = thought.probabilities[-max(1, round((len(thought.moved) - pause) / 3)) :]
        last.append(names[end.mean(0).argmax()] == label)
    return {"typed": np.array(typed), "last_third": np.array(last)}


def _movement(x: np.ndarray) -> np.ndarray:
    first, last = moving_part(x)
    return x[max(first - MARGIN, 0) : last + MARGIN]


def _bridged(x: np.ndarray, lost: int) -> np.ndarray:
    """Lose frames in the middle of a stream, as many as can be lost between two others."""
    first = max(1, (len(x) - lost) // 2)
    kept = np.array([s for s in range(len(x)) if not first <= s < min(first + lost, len(x) - 1)])
    return sample_at(x[kept], np.interp(np.arange(len(x)), kept, np.arange(len(kept))))


def _still(hand: np.ndarray, frames: int, rng: np.random.Generator) -> np.ndarray:
    palm = np.linalg.norm(hand[list(KNUCKLES)] - hand[0], axis=-1).mean()
    return (hold(hand / palm, frames, rng) * palm).astype(np.float32)


@torch.inference_mode()
def succession(bundle: Bundle, photos: np.ndarray, labels: np.ndarray) -> dict[str, list[float]]:
    """Hold one person's photos [N, 21, 3], each after another letter's: how much of it is read right.

    Returns the share of photos at each of AFTER frames, `after` the other letter and `fresh`, the very same
    frames from a reset state: what lies between is what a memory costs. Letters count alike.
    """
    rng = np.random.default_rng(0)
    units = photos - photos[:, :1]
    units = units / np.linalg.norm(units[:, list(KNUCKLES)], axis=-1).mean(1)[:, None, None]
    streams, own = [], []
    way = np.linspace(0, 1, WAY + 2)[1:-1, None, None]
    for letter in sorted({*labels}):
        for shown in rng.choice(np.flatnonzero(labels == letter), PER_LETTER):
            other = rng.choice(np.flatnonzero(labels != letter))
            before, held = hold(units[other], BEFORE, rng), hold(units[shown], AFTER, rng)
            streams.append(np.concatenate([before, before[-1] * (1 - way) + held[0] * way, held]))
            own.append(bundle.class_names.index(letter))
    whole, true = np.stack(streams).astype(np.float32), torch.tensor(own)[:, None]
    motion, out = bundle.config["preprocessing"]["motion"], {}
    for name, x in (("after", whole), ("fresh", whole[:, -AFTER:])):
        logits, _ = bundle.model.forward_sequence(model_input(x, motion))
        out[name] = (logits[:, -AFTER:].argmax(-1) == true).double().mean(0).tolist()
    return out


@torch.inference_mode()
def halting(bundle: Bundle, clips: Sequence[Clip], sure: Sequence[float] = SURE) -> list[dict[str, float]]:
    """Stop thinking about a frame at the first cycle that is surer than q, as in the paper.

    What is carried on is the state of that cycle. Returns for each q the mean `cycles` a frame and the
    `accuracy` of clips, read by their last third; q = 0 always stops at once, q = 1 never before the end.
    """
    depths = []
    for cycles in range(1, bundle.model.T_deep + 1):
        depths.append(copy.copy(bundle.model))  # the same weights, fewer cycles
        depths[-1].T_deep = cycles
    right, spent = torch.zeros(len(sure)), torch.zeros(len(sure))
    for length in sorted({len(clip.hands) for clip in clips}):
        alike = [clip for clip in clips if len(clip.hands) == length]
        x = model_input(np.stack([clip.hands for clip in alike]), bundle.config["preprocessing"]["motion"])
        own = torch.tensor([bundle.class_names.index(clip.label) for clip in alike])
        q = torch.tensor(sure).repeat_interleave(len(alike))  # each clip once for every q
        state, answers = bundle.model.initial_state(len(q)), []
        for frame in x.repeat(len(sure), 1, 1).unbind(1):
            answer, state, cycles_of_rows = _think(depths, frame, state, q)
            answers.append(answer)
            spent += cycles_of_rows.unflatten(0, (len(sure), -1)).sum(1)
        last = torch.stack(answers[-max(1, round(length / 3)) :]).mean(0).argmax(-1)
        right += (last.unflatten(0, (len(sure), -1)) == own).sum(1)
    cycles_a_frame, accuracy = spent / sum(len(clip.hands) for clip in clips), right / len(clips)
    rows = zip(sure, cycles_a_frame.tolist(), accuracy.tolist(), strict=True)
    return [dict(zip(("q", "cycles", "accuracy"), row, strict=True)) for row in rows]


def _think(depths: Sequence[nn.Module], x: Tensor, state: State, q: Tensor) -> tuple[Tensor, State, Tensor]:
    """Return with what each row stops: probabilities [B, C], state, and cycles [B]."""
    going = torch.ones(len(x), dtype=torch.bool)
    cycles = torch.zeros(len(x), dtype=torch.long)
    answer, (y, z) = torch.zeros(()), state
    for model in depths:
        logits, (new_y, new_z) = model(x, prev_state=state, return_state=True)
        now, row = logits.softmax(-1), going[:, None]
        answer, y, z = torch.where(row, now, answer), torch.where(row, new_y, y), torch.where(row, new_z, z)
        cycles += going
        going = going & (now.amax(-1) <= q)
    return answer, (y, z), cycles


@torch.inference_mode()
def memory(bundle: Bundle, frames: Sequence[int] = (1, 100, 1000)) -> dict[str, Any]:
    """Read random streams of these lengths: how many numbers are carried on, and the largest of them."""
    out: dict[str, Any] = {"numbers": {}, "largest": {}}
    for length in frames:
        x = torch.randn(1, length, FEATURES, generator=torch.Generator().manual_seed(0))
        _, state = bundle.model.forward_sequence(bundle.model.mean + bundle.model.scale * x)
        parts = [*state] if isinstance(state, tuple) else [state]
        out["numbers"][length] = sum(part.numel() for part in parts)
        out["largest"][length] = max((float(p.abs().max()) for p in parts if p.numel()), default=0.0)
    return out
