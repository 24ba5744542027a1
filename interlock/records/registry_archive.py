"""A retired version in MLflow: marked, out of the aliases by which people load models, and in the stage `Archived`. A mirror, as ever."""

from __future__ import annotations

import httpx

from interlock.records.registry import ALIAS, CHAMPION
from interlock.settings import Settings

CALL_S = 0.8  # each of at most five requests; whoever decides waits for them
TAG = "interlock.retired"
NO_STAGES = {400, 404, 405, 501}  # registries without stages: the tag says it there


def archive_version(settings: Settings, use_case: str, number: int) -> str:
    """Mark the registered version as retired. Best effort, safe to repeat; the answer says what is not so, empty: all of it is.

    The alias `champion` is taken off too where it is still on this version: it follows the route, and retired versions are on none.
    """
    url = f"{settings.mlflow_url.rstrip('/')}/api/2.0/mlflow"
    what = f"version {number} of {use_case} is not archived in MLflow"
    version = {"name": use_case, "version": str(number)}
    try:
        with httpx.Client(timeout=CALL_S, trust_env=False) as client:
            tagged = client.post(f"{url}/model-versions/set-tag", json={**version, "key": TAG, "value": "true"})
            if not tagged.is_success:
                return f"{what}: it answers {tagged.status_code}"
            for alias in (ALIAS, CHAMPION):
                _take_off(client, url, use_case, alias, number)
            staged = client.post(f"{url}/model-versions/transition-stage",
                                 json={**version, "stage": "Archived", "archive_existing_versions": False})
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return f"{what}: {settings.mlflow_url} does not answer ({type(error).__name__})"
    return "" if staged.is_success or staged.status_code in NO_STAGES else f"{what}: it answers {staged.status_code}"


def _take_off(client: httpx.Client, url: str, use_case: str, alias: str, number: int) -> None:
    """Nobody loads a retired version by a name that others keep using."""
    found = client.get(f"{url}/registered-models/alias", params={"name": use_case, "alias": alias})
    if found.is_success and str(found.json().get("model_version", {}).get("version")) == str(number):
        client.request("DELETE", f"{url}/registered-models/alias", json={"name": use_case, "alias": alias}).raise_for_status()
