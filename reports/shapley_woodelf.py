"""Shapley values of many rows at once by the WOODELF algorithm (package `woodelf-explainer`), on trees that route as XGBoost does.

Source: Nadel and Wettenstein 2026, 'From decision trees to Boolean logic: a fast and unified SHAP algorithm'.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.shapley_trees import Floats, Forest, Tree

Values = NDArray[np.float32]


def woodelf_values(forest: Forest, values: Values, background: Values | None = None) -> Floats:
    """Contributions (n, features) or, with several outputs, (n, outputs, features), in margin; the bias is not part of it.

    `values` (n, f) as the booster reads them, NaN = missing. Without `background` path-dependent, else interventional against its
    rows (m, f). Sums are 32 bits wide. The forest must have at least one split.
    """
    import pandas as pd
    from woodelf import WoodelfExplainer
    from woodelf.core.trees.decision_trees_ensemble import DecisionTreesEnsemble

    frame = pd.DataFrame(values, columns=range(forest.features), copy=False)
    other = None if background is None else pd.DataFrame(background, columns=range(forest.features), copy=False)
    how = "tree_path_dependent" if other is None else "interventional"
    found = np.zeros((forest.outputs, *values.shape), dtype=np.float64)
    node_type = _node_type()
    for output in range(forest.outputs):
        trees = [_root(tree, node_type) for tree in forest.trees if tree.output == output and tree.leaves.size > 1]
        if trees:
            explainer = WoodelfExplainer(DecisionTreesEnsemble(trees), data=other, feature_perturbation=how)
            found[output] = explainer.shap_values(frame, verbose=False)
    return found[0] if forest.outputs == 1 else found.transpose(1, 0, 2)


class Routed(np.ndarray[Any, Any]):
    """Flags per row in the shape that the package asks of a pandas column."""

    def to_numpy(self) -> NDArray[np.bool_]:
        return np.asarray(self)


def _node_type() -> Any:
    """The package's node, sent left and right by our tree: its own comparison is one 32-bit step off and knows no categories."""
    from woodelf.core.trees.decision_trees_ensemble import DecisionTreeNode

    class Node(DecisionTreeNode):  # type: ignore[misc]
        tree: Tree

        def shall_go_left(self, row: Any, GPU: bool = False) -> Any:  # noqa: N803 - the package's name
            return self.tree.goes_left(self.index, row[self.feature_name].to_numpy()).view(Routed)

    return Node


def _root(tree: Tree, node_type: Any) -> Any:
    nodes = []
    for place in range(tree.left.size):
        leaf = tree.left[place] < 0
        node = node_type(feature_name=None if leaf else int(tree.feature[place]), right=None, left=None, index=place,
                         value=tree.value[place] if leaf else tree.threshold[place], cover=tree.cover[place])
        node.tree = tree
        nodes.append(node)
    for split in np.flatnonzero(tree.left >= 0):
        node = nodes[split]
        node.left, node.right = nodes[tree.left[split]], nodes[tree.right[split]]
        node.left.parent = node.right.parent = node
    nodes[0].depth = nodes[0].get_depth()
    return nodes[0]
