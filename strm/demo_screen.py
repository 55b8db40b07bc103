"""What the window of `strm demo` shows: the hand, the letter, the text, the keys, and where time goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from strm.pictures import DARK, LIGHT, write_words
from strm.read import BONE, FINGERS, JOINT, PALM

if TYPE_CHECKING:
    from strm.demo import Demo

KEYS = "Q quit  M mirror  R reset  S skeleton  Space word  Backspace delete  C clear"
RECORD_KEYS = "Enter and a letter: record a clip of it; Enter again: end it"
AWAY = "the camera is away; waiting for it"
LETTER_SIZE, LINE = 0.16, 0.045  # of the height of the picture, or that of 4:3 if it is narrower
LOWEST = 720
STRIP = 45  # rows of a picture, few enough for the processor's nearest memory
BONES = [list(chain) for chain in (PALM, *FINGERS)]


def paint(picture: np.ndarray, demo: Demo) -> np.ndarray:
    """Paint a picture [H, W, 3] BGR on `demo.canvas`, larger if it is small, and everything over it."""
    if demo.canvas is None or demo.canvas.shape != picture.shape:
        demo.canvas = np.empty_like(picture)
    _copy(picture, demo.canvas, demo.mirror)
    picture = demo.canvas
    size = min(picture.shape[0], 0.75 * picture.shape[1])
    if size < LOWEST:  # words in a small picture cannot be read
        grow, size = LOWEST / size, LOWEST
        picture = cv2.resize(picture, None, fx=grow, fy=grow, interpolation=cv2.INTER_LINEAR)
    height, width = picture.shape[:2]
    if demo.skeleton and demo.hand is not None:
        points = demo.hand.points[:, :2].copy()
        if demo.mirror:
            points[:, 0] = 1 - points[:, 0]
        _skeleton(picture, points)
    line = LINE * size
    reading = demo.reading
    if reading is not None and demo.hand is not None:
        write_words(picture, reading.letter or "-", (line, LETTER_SIZE * size), LETTER_SIZE * size)
        for i, (name, share) in enumerate(reading.top3):
            y = (LETTER_SIZE + 0.02) * size + (i + 1) * line
            write_words(picture, name, (line, y), 0.75 * line)
            start, end = round(6 * line), round((6 + 4 * share) * line)
            for colour, edge in ((DARK, 2), (LIGHT, 0)):
                corners = (start - edge, round(y - 0.7 * line) - edge), (end + edge, round(y) + edge)
                cv2.rectangle(picture, *corners, colour, -1)
    text = demo.recognizer.text[-int((width - 3 * line) / (1.2 * line)) :]  # room for the broadest letters
    write_words(picture, f"{text}_", (line, height - 2.6 * line), 1.4 * line)
    if demo.offered:
        words = "  ".join(f"{i}: {word}" for i, word in enumerate(demo.offered, 1))
        write_words(picture, f"Meant? {words}", (line, height - 4.4 * line), line)
    recorder = demo.recorder
    if recorder is not None and recorder.label is not None:
        cv2.circle(
            picture, (round(width - 1.5 * line), round(1.5 * line)), round(0.5 * line), (60, 60, 230), -1
        )
        write_words(picture, recorder.label, (width - (2.5 + len(recorder.label)) * line, 2 * line), line)
    said = [KEYS, RECORD_KEYS] if recorder is not None else [KEYS]
    for i, words in enumerate([*said[::-1], f"{demo.pace}   {AWAY if demo.away else demo.message}"]):
        write_words(picture, words, (line, height - (0.4 + 0.75 * i) * line), 0.6 * line)
    return picture


def _copy(picture: np.ndarray, canvas: np.ndarray, mirror: bool) -> None:
    """Copy a picture, or its mirror image: strip by strip, for OpenCV flips fast only what is at hand."""
    for top in range(0, len(picture), STRIP):
        strip = canvas[top : top + STRIP]
        np.copyto(strip, picture[top : top + STRIP])
        if mirror:
            cv2.flip(strip, 1, strip)


def _skeleton(picture: np.ndarray, hand: np.ndarray) -> None:
    height, width = picture.shape[:2]
    points = np.rint(hand * [width, height]).astype(np.int32)
    thick = max(1, height // 240)
    cv2.polylines(picture, [points[bone] for bone in BONES], False, BONE[::-1], thick, cv2.LINE_AA)
    for point in points.tolist():
        cv2.circle(picture, point, 2 * thick, JOINT[::-1], -1, cv2.LINE_AA)
