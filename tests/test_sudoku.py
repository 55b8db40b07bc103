"""Sudoku of four by four: the grids are all, puzzles have one solution, waves can be counted by hand."""

import numpy as np

from strm import sudoku


def test_there_are_288_grids_and_each_keeps_the_rules():
    grids = sudoku.grids()
    assert len(np.unique(grids, axis=0)) == 288, "a known number: 4x4 Sudoku has 288 grids"
    for unit in (sudoku.ROW, sudoku.COLUMN, sudoku.BOX):
        for k in range(4):
            assert (np.sort(grids[:, unit == k], 1) == [1, 2, 3, 4]).all()


def test_every_cell_has_seven_peers_in_its_row_column_and_box():
    assert (sudoku.PEERS.sum(1) == 7).all() and not sudoku.PEERS.diagonal().any()
    assert np.flatnonzero(sudoku.PEERS[0]).tolist() == [1, 2, 3, 4, 5, 8, 12]


def test_a_puzzle_has_one_solution_and_no_clue_to_spare():
    rng = np.random.default_rng(0)
    filled = sudoku.grids()[rng.integers(288, size=50)]
    puzzles = sudoku.puzzles(filled, rng)
    assert ((puzzles == 0) | (puzzles == filled)).all() and (sudoku.solutions(puzzles) == 1).all()
    assert (puzzles > 0).sum(1).min() >= 4, "no 4x4 puzzle with three clues has one solution"
    for puzzle in puzzles[:10]:
        for cell in np.flatnonzero(puzzle):
            fewer = np.where(np.arange(16) == cell, 0, puzzle)
            assert sudoku.solutions(fewer[None]) > 1


def test_clues_are_left_as_asked_for_each():
    rng = np.random.default_rng(0)
    filled = sudoku.grids()[:40]
    asked = np.tile([0, 8, 12, 16], 10)
    left = (sudoku.puzzles(filled, rng, asked) > 0).sum(1)
    assert (left[asked > 0] == asked[asked > 0]).all() and (left[asked == 0] < 8).all()


def test_waves_are_counted_as_one_would_by_hand():
    grid = np.array([1, 2, 3, 4, 3, 4, 1, 2, 2, 1, 4, 3, 4, 3, 2, 1])
    one, row = grid.copy(), grid.copy()
    one[5] = 0
    row[:4] = 0  # each column and box names the number at once
    assert sudoku.waves(np.stack([grid, one, row])).tolist() == [0, 1, 1]
    assert sudoku.waves(np.zeros((1, 16), int)).tolist() == [-1], "nothing to begin with"


def test_a_cell_that_no_number_fits_stays_empty():
    against_itself = np.zeros((1, 16), int)
    against_itself[0, [1, 2, 3, 4]] = 2, 3, 4, 1
    assert sudoku.wave(against_itself)[0, 0] == 0
    against_itself[0, 4] = 0
    assert sudoku.wave(against_itself)[0, 0] == 1


def test_a_wave_less_leaves_a_hole():
    """As many waves as it says fill a puzzle: each wave is played here cell by cell."""
    rng = np.random.default_rng(1)
    filled = sudoku.grids()[rng.integers(288, size=60)]
    puzzles = sudoku.puzzles(filled, rng)
    said = sudoku.waves(puzzles)
    assert set(said) >= {2, 3, 4, 5}
    for puzzle, true, count in zip(puzzles, filled, said, strict=True):
        for _ in range(count):
            assert (puzzle == 0).any()
            left = [sorted({1, 2, 3, 4} - set(puzzle[sudoku.PEERS[cell]])) for cell in range(16)]
            sure = [options[0] if len(options) == 1 else 0 for options in left]
            puzzle = np.where(puzzle == 0, sure, puzzle)
        assert (puzzle == true).all()
