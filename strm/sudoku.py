"""Sudoku of four by four: every grid, puzzles with one solution, and how many waves of reasoning one takes.

A grid is 16 numbers in reading order, 1 to 4; 0 is an empty cell.
"""

from functools import lru_cache
from itertools import permutations

import numpy as np

SIDE = 4
CELLS = SIDE * SIDE
ROW, COLUMN = np.divmod(np.arange(CELLS), SIDE)
BOX = ROW // 2 * 2 + COLUMN // 2
# [16, 16] bool: who shares a row, a column or a box with whom. Seven others for everyone.
PEERS = np.logical_or.reduce([k[:, None] == k for k in (ROW, COLUMN, BOX)]) & ~np.eye(CELLS, dtype=bool)


@lru_cache(maxsize=1)
def grids() -> np.ndarray:
    """Return all 288 filled grids [288, 16]."""
    rows = np.array(list(permutations(range(1, SIDE + 1))))
    found = np.zeros((1, 0), int)
    for _ in range(SIDE):  # put every row under every grid so far, and keep what breaks no rule
        found = np.concatenate([np.repeat(found, len(rows), 0), np.tile(rows, (len(found), 1))], 1)
        size = found.shape[1]
        equal = found[:, :, None] == found[:, None]
        found = found[~(equal & PEERS[:size, :size]).any((1, 2))]
    return found


def solutions(clues: np.ndarray) -> np.ndarray:
    """Count how many grids fit each puzzle [N, 16]: [N]."""
    clues = clues[:, None]
    return ((clues == 0) | (clues == grids())).all(-1).sum(-1)


def puzzles(filled: np.ndarray, rng: np.random.Generator, clues: int | np.ndarray = 0) -> np.ndarray:
    """Empty cells of filled grids [N, 16], in random order, as long as one solution only is left.

    clues: leave at least so many, a number or one for each [N]; 0 empties all that can be spared.
    """
    left = filled.copy()
    order = rng.permuted(np.tile(np.arange(CELLS), (len(filled), 1)), axis=1)
    everyone = np.arange(len(filled))
    for cell in order.T:
        fewer = left.copy()
        fewer[everyone, cell] = 0
        fine = (solutions(fewer) == 1) & ((fewer > 0).sum(1) >= clues)
        left = np.where(fine[:, None], fewer, left)
    return left


def wave(clues: np.ndarray) -> np.ndarray:
    """Fill, in puzzles [N, 16], every cell whose peers leave it one number, all at once: [N, 16]."""
    taken = PEERS.astype(int) @ (clues[:, :, None] == np.arange(1, SIDE + 1)) > 0
    sure = (clues == 0) & (taken.sum(-1) == SIDE - 1)
    return np.where(sure, taken.argmin(-1) + 1, clues)


def waves(clues: np.ndarray) -> np.ndarray:
    """Count how many waves fill each puzzle [N, 16]: [N], -1 for one that is never filled."""
    now, count = clues, np.zeros(len(clues), int)
    for number in range(1, CELLS + 1):
        count[(now == 0).any(1)] = number
        now = wave(now)
    count[(now == 0).any(1)] = -1
    return count
