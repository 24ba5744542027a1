"""Interventional Shapley values straight from their definition: slow, in 64 bits, no library. The last word where rows disagree."""

from __future__ import annotations

from math import factorial

import numpy as np
from numpy.typing import NDArray

from reports.shapley_trees import Flags, Floats, Forest, Tree

Values = NDArray[np.float32]


def exact_values(forest: Forest, values: Values, background: Values) -> Floats:
    """Contributions (n, f) or (n, outputs, f) in margin of `values` (n, f) against `background` (m, f): the mean over background rows.

    For one background row z, a leaf of value w is reached by the mixture of x and z iff x takes it on every feature drawn from x and z on
    every feature drawn from z. With P the features of the path that only x satisfies and N those that only z does, p = |P| and n = |N|,
    the leaf gives (p-1)! n! / (p+n)! * w to each of P and takes p! (n-1)! / (p+n)! * w from each of N; it gives nothing where some
    feature suits neither. Source: Lundberg et al. 2020, 'From local explanations to global understanding', algorithm 3.
    Time grows with n * m * leaves: for few rows.
    """
    found = np.zeros((values.shape[0], forest.outputs, values.shape[1]))
    gains, losses = _weights(max(forest.depth, 1))
    for tree in forest.trees:
        _add_tree(found[:, tree.output], tree, values, background, gains, losses)
    return found[:, 0] if forest.outputs == 1 else found


def _weights(depth: int) -> tuple[Floats, Floats]:
    """(p-1)! n! / (p+n)! and p! (n-1)! / (p+n)! by p and n; 0 where there is nobody to give to."""
    gains, losses = np.zeros((depth + 1, depth + 1)), np.zeros((depth + 1, depth + 1))
    for p in range(depth + 1):
        for n in range(depth + 1):
            if p:
                gains[p, n] = factorial(p - 1) * factorial(n) / factorial(p + n)
            if n:
                losses[p, n] = factorial(p) * factorial(n - 1) / factorial(p + n)
    return gains, losses


def _add_tree(found: Floats, tree: Tree, values: Values, background: Values, gains: Floats, losses: Floats) -> None:
    splits = [int(node) for node in np.flatnonzero(tree.left >= 0)]
    own_left = {node: tree.goes_left(node, values[:, tree.feature[node]]) for node in splits}
    other_left = {node: tree.goes_left(node, background[:, tree.feature[node]]) for node in splits}
    for leaf, way in tree.paths().items():
        features = sorted({int(tree.feature[node]) for node, _ in way})
        if not features:
            continue
        own = _satisfied(tree, way, features, own_left, values.shape[0])
        other = _satisfied(tree, way, features, other_left, background.shape[0])
        only_own, only_other = own[:, None] & ~other[None], ~own[:, None] & other[None]  # (n, m, k)
        reached = (own[:, None] | other[None]).all(axis=-1)
        p, n = only_own.sum(axis=-1), only_other.sum(axis=-1)
        gain, loss = np.where(reached, gains[p, n], 0.0), np.where(reached, losses[p, n], 0.0)
        given = np.asarray(only_own * gain[..., None] - only_other * loss[..., None], dtype=np.float64)
        found[:, features] += tree.value[leaf] * given.mean(axis=1)


def _satisfied(tree: Tree, way: list[tuple[int, bool]], features: list[int], left: dict[int, Flags], rows: int) -> Flags:
    """(rows, k): whether a row takes every turn of the way that is about the feature."""
    found = np.ones((rows, len(features)), dtype=bool)
    for node, went_left in way:
        found[:, features.index(int(tree.feature[node]))] &= left[node] == went_left
    return found
