"""Slow subscribers of every policy beside healthy ones: each gets what its policy says, counted."""
