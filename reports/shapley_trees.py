"""The trees of an XGBoost booster as plain arrays, routed exactly as XGBoost routes: 32-bit thresholds, category sets, missing values.

Other readers of these models shift thresholds by one 32-bit step or leave categories out, which sends rare rows down the wrong branch;
hence an own reader of XGBoost's documented JSON format (https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Tree:
    """One tree; every array has one entry per node, node 0 is the root. `left` is -1 at leaves.

    A row goes left where its value is below `threshold` (both 32 bits), or where its category is not in `categories[node]`, or where
    the value is missing and `missing_left`. `cover`: sum of hessians of the training rows that passed. `value`: of a leaf, in margin.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float32]
    missing_left: Flags
    cover: Floats
    value: Floats
    categories: dict[int, Flags] = field(repr=False)
    output: int

    @property
    def leaves(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.left < 0)

    def goes_left(self, node: int, column: NDArray[np.float32]) -> Flags:
        """For each value (n,) of the node's feature whether the row goes left."""
        missing = np.isnan(column)
        known = self.categories.get(node)
        if known is None:
            chosen = column < self.threshold[node]
        else:
            codes = np.where(missing | (column < 0) | (column >= known.size), known.size, column).astype(np.int64)
            chosen = ~np.append(known, False)[codes]
        return np.asarray(np.where(missing, self.missing_left[node], chosen), dtype=np.bool_)

    def paths(self) -> dict[int, list[tuple[int, bool]]]:
        """For each leaf the nodes passed from the root, each with whether the way went left."""
        found: dict[int, list[tuple[int, bool]]] = {}
        open_nodes: list[tuple[int, list[tuple[int, bool]]]] = [(0, [])]
        while open_nodes:
            node, way = open_nodes.pop()
            if self.left[node] < 0:
                found[node] = way
            else:
                open_nodes += [(int(self.right[node]), [*way, (node, False)]), (int(self.left[node]), [*way, (node, True)])]
        return found


@dataclass(frozen=True)
class Forest:
    """All trees of a booster. `outputs`: margins per row (1, or the number of classes); `depth`: longest way to a leaf."""

    trees: list[Tree] = field(repr=False)
    outputs: int
    features: int

    @property
    def splits(self) -> int:
        return sum(int((tree.left >= 0).sum()) for tree in self.trees)

    @property
    def leaf_count(self) -> int:
        return sum(tree.leaves.size for tree in self.trees)

    @property
    def depth(self) -> int:
        return max((len(way) for tree in self.trees for way in tree.paths().values()), default=0)


def read_forest(booster: Any) -> Forest | None:
    """The trees of an XGBoost `Booster`; None where it is of a kind that is not read here (linear, dropout, vector leaves)."""
    learner = json.loads(booster.save_raw("json"))["learner"]
    if learner["gradient_booster"].get("name") != "gbtree":
        return None
    body = learner["gradient_booster"]["model"]
    if any(tree["tree_param"].get("size_leaf_vector", "1") not in {"0", "1"} for tree in body["trees"]):
        return None
    trees = [_tree(tree, int(output)) for tree, output in zip(body["trees"], body["tree_info"], strict=True)]
    outputs = max(int(learner["learner_model_param"].get("num_class", "0")), 1)
    return Forest(trees, outputs, booster.num_features())


def _tree(raw: dict[str, Any], output: int) -> Tree:
    left = np.array(raw["left_children"], dtype=np.int64)
    conditions = np.array(raw["split_conditions"], dtype=np.float32)
    places = zip(raw["categories_nodes"], raw["categories_segments"], raw["categories_sizes"], strict=True)
    return Tree(
        left=left, right=np.array(raw["right_children"], dtype=np.int64), feature=np.array(raw["split_indices"], dtype=np.int64),
        threshold=conditions, missing_left=np.array(raw["default_left"], dtype=bool), cover=np.array(raw["sum_hessian"], dtype=np.float64),
        value=np.where(left < 0, conditions, 0.0).astype(np.float64),
        categories={int(node): _members(raw["categories"][start:start + size]) for node, start, size in places}, output=output)


def _members(codes: list[int]) -> Flags:
    found = np.zeros(max(codes, default=-1) + 1, dtype=bool)
    found[codes] = True
    return found
