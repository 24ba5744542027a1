"""Shapley values of many rows by WOODELF, the leaves of a small subtree taken together: one look-up in a table instead of one per leaf.

A leaf's share in a row's Shapley values depends only on which features of its path the row satisfies, so each leaf has a table over these
patterns (package `woodelf-explainer`; Nadel and Wettenstein 2026, 'From decision trees to Boolean logic: a fast and unified SHAP
algorithm'). Here subtrees of two levels share one table over the pattern above them and the answers of their up to three splits: most of
the time goes into looking up, and a third of it is left.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.shapley_trees import Floats, Forest, Tree

Values = NDArray[np.float32]
Pattern = NDArray[np.uint16]
LEVELS = 2  # of a subtree whose leaves share a table


class PathTables:
    """Tables of single leaves from the package, made once for a depth."""

    def __init__(self, depth: int) -> None:
        from woodelf.core.cube_metric import ShapleyValues
        from woodelf.core.path_to_s_vectors.woodelf_p2s import HighDepthWoodelfPathToSVectors

        self._made: Any = HighDepthWoodelfPathToSVectors(metric=ShapleyValues(), max_depth=max(depth, 1))

    def of(self, features: list[int], covers: list[float], value: float) -> dict[int, NDArray[np.float32]]:
        """{feature: (2 ** features,)}; `covers`: share of the rows at the nodes of a feature that go on toward the leaf."""
        found: dict[int, NDArray[np.float32]] = self._made.get_path_dependent_s_matrix(features, None, np.array(covers), value)
        return found

    def against(self, features: list[int], shares: NDArray[np.float32], value: float) -> dict[int, NDArray[np.float32]]:
        """The same against a background; `shares` (2 ** features,): share of the background rows with each pattern."""
        found: dict[int, NDArray[np.float32]] = self._made.compose_with_neighbor_trick(features, shares, value)
        return found


def grouped_values(forest: Forest, values: Values, background: Values | None = None) -> Floats:
    """Contributions (n, features) or, with several outputs, (n, outputs, features), in margin; the bias is not part of it.

    `values` (n, f) as the booster reads them, NaN = missing. Without `background` path-dependent, else interventional against its rows
    (m, f), which are walked down the trees together with the others. Sums are 32 bits wide.
    """
    rows = values.shape[0]
    columns = np.ascontiguousarray((values if background is None else np.concatenate([values, background])).T)
    found = np.zeros((forest.outputs, values.shape[1], rows), dtype=np.float32)
    tables = PathTables(forest.depth)
    for tree in forest.trees:
        if tree.left[0] >= 0:
            _add_tree(found[tree.output], tree, columns, tables)
    wide = found.transpose(2, 0, 1).astype(np.float64)
    return wide[:, 0] if forest.outputs == 1 else wide


def _add_tree(found: NDArray[np.float32], tree: Tree, columns: Values, tables: PathTables) -> None:
    """Depth first, so that only the patterns of one way are held."""
    heights, rows = _heights(tree), found.shape[1]
    looked_up = np.empty(rows, dtype=np.float32)
    ways: list[tuple[int, list[tuple[int, bool]], list[int], Pattern]] = [(0, [], [], np.zeros(columns.shape[1], dtype=np.uint16))]
    while ways:
        node, way, above, pattern = ways.pop()
        if heights[node] > LEVELS:
            feature = int(tree.feature[node])
            went_left = tree.goes_left(node, columns[feature])
            for child, side in ((int(tree.right[node]), False), (int(tree.left[node]), True)):
                taken = went_left if side else ~went_left
                ways.append((child, [*way, (node, side)], *_longer(above, pattern, feature, taken)))
            continue
        inner = _splits_below(tree, node)
        for split in inner:
            pattern = ((pattern << 1) | tree.goes_left(split, columns[tree.feature[split]])).astype(np.uint16)
        places = pattern.astype(np.intp)
        others = np.bincount(places[rows:], minlength=1 << (len(above) + len(inner))) if rows < places.size else None
        for feature, table in _table(tree, node, way, above, inner, tables, others).items():
            np.take(table, places[:rows], out=looked_up, mode="clip")
            found[feature] += looked_up


def _heights(tree: Tree) -> list[int]:
    """Longest way from each node down to a leaf; children come after their parent in XGBoost's numbering."""
    heights = [0] * tree.left.size
    for node in reversed(range(tree.left.size)):
        if tree.left[node] >= 0:
            heights[node] = 1 + max(heights[tree.left[node]], heights[tree.right[node]])
    return heights


def _longer(above: list[int], pattern: Pattern, feature: int, taken: NDArray[np.bool_]) -> tuple[list[int], Pattern]:
    """The features of the way with one more split, and which of them each row satisfies."""
    if feature not in above:
        return [*above, feature], ((pattern << 1) | taken).astype(np.uint16)
    bit = np.uint16(1 << (len(above) - 1 - above.index(feature)))
    return above, np.where(taken, pattern, pattern & ~bit).astype(np.uint16)


def _table(tree: Tree, root: int, way: list[tuple[int, bool]], above: list[int], inner: list[int], tables: PathTables,
           others: NDArray[np.int64] | None) -> dict[int, NDArray[np.float32]]:
    """{feature: what is added to it, by pattern}: the sum of the leaves' tables, each read by its own pattern.

    A pattern has one bit for each feature of `above`, then one for each split of `inner`, the first the highest. `others`: background
    rows by pattern; None: path-dependent.
    """
    width = len(above) + len(inner)
    bits = np.arange(1 << width)
    held = {feature: (bits >> (width - 1 - place) & 1).astype(bool) for place, feature in enumerate(above)}
    asked = {node: (bits >> (len(inner) - 1 - place) & 1).astype(bool) for place, node in enumerate(inner)}
    table = {feature: np.zeros(bits.size, dtype=np.float32) for feature in [*above, *(int(tree.feature[node]) for node in inner)]}
    for leaf, steps in _ways_below(tree, root).items():
        satisfied = dict(held)
        for node, side in steps:
            feature, turn = int(tree.feature[node]), asked[node] if side else ~asked[node]
            satisfied[feature] = satisfied[feature] & turn if feature in satisfied else turn
        code, features, value = np.zeros(bits.size, dtype=np.intp), list(satisfied), float(tree.value[leaf])
        for met in satisfied.values():
            code = (code << 1) | met
        if others is None:
            leafs = tables.of(features, _covers(tree, [*way, *steps], features), value)
        else:
            counts = np.bincount(code, weights=others, minlength=1 << len(features))
            leafs = tables.against(features, (counts / others.sum()).astype(np.float32), value)
        for feature, shares in leafs.items():
            table[feature] += shares[code]
    return table


def _splits_below(tree: Tree, root: int) -> list[int]:
    return sorted({node for steps in _ways_below(tree, root).values() for node, _ in steps})


def _ways_below(tree: Tree, root: int) -> dict[int, list[tuple[int, bool]]]:
    found: dict[int, list[tuple[int, bool]]] = {}
    ways: list[tuple[int, list[tuple[int, bool]]]] = [(root, [])]
    while ways:
        node, steps = ways.pop()
        if tree.left[node] < 0:
            found[node] = steps
        else:
            ways += [(int(tree.right[node]), [*steps, (node, False)]), (int(tree.left[node]), [*steps, (node, True)])]
    return found


def _covers(tree: Tree, way: list[tuple[int, bool]], features: list[int]) -> list[float]:
    """For each feature the product over its splits on the way of the share of rows that go on."""
    shares = dict.fromkeys(features, 1.0)
    for node, side in way:
        child = tree.left[node] if side else tree.right[node]
        shares[int(tree.feature[node])] *= float(tree.cover[child] / tree.cover[node]) if tree.cover[node] > 0 else 0.0
    return [shares[feature] for feature in features]
