"""SHAP's own plots in a process of its own: `python -m reports.shap_pictures FOLDER`.

Importing shap and matplotlib takes seconds, and drawing some more, so the caller starts this beside the other reports and collects it
last. FOLDER holds `request.npz` (`contributions` (n, f + 1) in margin, the bias last; `values` (n, f) as the model reads them) and
`request.json` (`names`, `title`); written are the pictures of `NAMES` as PNG and SVG, or `error.json` with type and text.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.child import made

ARRAYS, REQUEST = "request.npz", "request.json"
NAMES = ("shap-beeswarm", "shap-bar", "shap-heatmap", "shap-scatter")
ROWS_MAX, HEATMAP_ROWS, SHOWN = 1_000, 300, 12
DOTS_PER_INCH = 130


def write_request(folder: Path, contributions: NDArray[np.float64], values: NDArray[np.float64], names: list[str], *, title: str) -> None:
    """Put a request into an empty folder; rows beyond `ROWS_MAX` are left out by the caller's own sample."""
    np.savez_compressed(folder / ARRAYS, contributions=contributions[:ROWS_MAX], values=values[:ROWS_MAX])
    (folder / REQUEST).write_text(json.dumps({"names": names, "title": title}), encoding="utf-8")


def draw(folder: Path) -> None:
    """Make the pictures that the folder asks for."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "interlock"  # the same picture has the same bytes
    import matplotlib.pyplot as plt
    import shap

    request = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
    with np.load(folder / ARRAYS) as arrays:
        contributions, values = arrays["contributions"], arrays["values"]
    names = [_text(name) for name in request["names"]]
    told = shap.Explanation(values=contributions[:, :-1], base_values=contributions[:, -1], data=values, feature_names=names)
    for name, plot in _plots(shap, told).items():
        plt.close("all")
        plot()
        figure = plt.gcf()
        figure.suptitle(f"{_text(request['title'])}, n = {len(contributions):,}", fontsize=9, x=0.01, ha="left")
        for kind, extra in (("png", {"dpi": DOTS_PER_INCH, "metadata": {"Software": None}}), ("svg", {"metadata": {"Date": None}})):
            figure.savefig(folder / f"{name}.{kind}", bbox_inches="tight", facecolor="white", **extra)
    plt.close("all")


def _plots(shap: Any, told: Any) -> dict[str, Callable[[], Any]]:
    """Picture → how shap draws it; none of one row alone, which would show a person's values to everybody."""
    strongest = int(np.abs(told.values).mean(axis=0).argmax())
    return dict(zip(NAMES, (
        lambda: shap.plots.beeswarm(told, max_display=SHOWN, show=False),
        lambda: shap.plots.bar(told, max_display=SHOWN, show=False),
        lambda: shap.plots.heatmap(told[:HEATMAP_ROWS], max_display=SHOWN, show=False),
        lambda: shap.plots.scatter(told[:, strongest], color=told, show=False)), strict=True))


def _text(name: str) -> str:
    """A name that matplotlib takes for no formula."""
    return name.replace("\\", "/").replace("$", r"\$")


if __name__ == "__main__":
    sys.exit(made(sys.argv[1:], draw))
