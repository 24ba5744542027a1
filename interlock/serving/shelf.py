"""Models a worker has loaded, and what it serves with them: one immutable `Serving` per use case, replaced in one assignment."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from interlock.errors import PackageError
from interlock.modeling.inputs import accepted_fields, captured_kinds, required_fields
from interlock.modeling.package import Manifest, Model, folder_of, read_package
from interlock.rules.routes import Route, Slot
from interlock.serving.completing import Completion, Tables
from interlock.serving.counters import ArmCounts, ArmKey, Counters
from interlock.serving.domain import Domain
from interlock.serving.encoding import Encoder
from interlock.serving.limits import Limits
from interlock.serving.older import ARM, Older
from interlock.serving.treatments import Policy, policy_of

TREES_FACTOR = 1.5        # memory of a loaded booster over its UBJ bytes: 1.30 to 1.45 measured, 50 to 1,000 trees, XGBoost 3.2
MODEL_BYTES = 256 * 1024  # manifest, encoder, completion


@dataclass(frozen=True)
class Loaded:
    """A model in memory, made from verified bytes."""

    digest: str
    manifest: Manifest
    model: Model
    fields: dict[str, str]    # kind of each field that a record may carry: numeric, boolean, category, context
    inputs: list[str]         # fields that a record must carry
    captured: dict[str, str]  # kind of each field that is captured: those, and what the server added
    completion: Completion
    encoder: Encoder
    domain: Domain


@dataclass(frozen=True)
class Arm:
    """One model of a route, as requests see it."""

    name: str
    slot: Slot
    loaded: Loaded
    key: ArmKey

    def counts(self, counters: Counters) -> ArmCounts:
        return counters.of(self.key, "log" if self.loaded.manifest.task == "regression" else "unit")


@dataclass(frozen=True)
class Mirror:
    """Whose counts mirrored requests are: the candidate's in the shadow, and the champion's on the same requests."""

    shadow: Arm
    champion: Arm


@dataclass(frozen=True)
class Serving:
    """What a use case is answered with from one switch to the next."""

    route: Route
    override_id: str | None
    arms: dict[str, Arm]
    older: Mapping[str, Arm] = field(default_factory=dict)  # by version: those outside the route that are loaded now
    mirror: Mirror | None = None  # where requests are mirrored; the candidate is then no arm that could answer anybody

    @property
    def versions(self) -> set[str]:
        """Versions of the route."""
        return {str(arm.slot.version) for arm in self.arms.values()}

    @cached_property
    def policy(self) -> Policy | None:
        """What `[serving]` of the use case does otherwise; None: nothing."""
        return policy_of(self.route.serving)

    @property
    def champion(self) -> Arm | None:
        return self.arms.get("champion")

    def arm_for(self, request_id: str) -> Arm | None:
        """The arm that answers this request: the same id always goes the same way while the share stays or grows."""
        candidate = self.arms.get("candidate")
        if candidate is not None and takes_candidate(request_id, self.route.candidate_percent):
            return candidate
        return self.champion

    def arm_of(self, request_id: str, record: Mapping[str, Any]) -> Arm | None:
        """The arm that answers this record. In an A/B test the release's salt and the declared field decide: one entity, one arm. A
        record without the field goes by its id."""
        route = self.route
        if route.sticky_salt is None:
            return self.arm_for(request_id)
        value = record.get(route.sticky_key) if route.sticky_key is not None else None
        return self.arm_for(f"{route.sticky_salt}|{request_id if value is None else f'={value}'}")

    def arm_of_version(self, version: str) -> Arm | None:
        """The arm of the route, or of an older version that is loaded now."""
        return next((arm for arm in self.arms.values() if str(arm.slot.version) == version), None) or self.older.get(version)


def takes_candidate(request_id: str, percent: float) -> bool:
    """Whether a request with this id falls into the candidate's share (0 to 100): SHA-256 of the id as a fraction of 2^64."""
    if percent <= 0:
        return False
    place = int.from_bytes(hashlib.sha256(request_id.encode("utf-8", "surrogatepass")).digest()[:8], "big")
    return place * 100 < percent * 2**64


def _mirror(route: Route, arms: dict[str, Arm]) -> Mirror | None:
    """The arms of mirrored requests. In the shadow the candidate is taken out of those that answer; at 0 % (a preview, or a paused
    release) it still answers who asks for its version."""
    if route.candidate_mode != "shadow" or route.candidate_percent <= 0 or "candidate" not in arms or "champion" not in arms:
        return None
    shadow, champion = arms.pop("candidate"), arms["champion"]
    return Mirror(replace(shadow, name="shadow", key=replace(shadow.key, arm="shadow")),
                  replace(champion, name="mirrored", key=replace(champion.key, arm="mirrored")))


class Shelf:
    """Loads packages and keeps those that a route or a preparation needs."""

    def __init__(self, packages: Path, limits: Limits) -> None:
        self._packages = packages
        self._tables = Tables(packages.parent)
        self._limits = limits
        self._models: dict[str, Loaded] = {}
        self._held: dict[str, set[str]] = {}
        self._sizes: dict[str, int] = {}
        self.serving: dict[str, Serving] = {}
        self.older = Older(self, limits.load_timeout_s)

    @property
    def pinned_bytes(self) -> int:
        """Estimated memory of the models of all routes and of those being prepared."""
        return sum(self.size_of(digest) for digest in self.pinned)

    @property
    def room(self) -> int:
        """Bytes left for older versions."""
        return self._limits.models_bytes_max - self.pinned_bytes

    def size_of(self, digest: str) -> int:
        """Estimated memory of a model in bytes: its booster files times `TREES_FACTOR`, and `MODEL_BYTES`."""
        if digest not in self._sizes:
            trees = sum(path.stat().st_size for path in folder_of(self._packages, digest).glob("*.ubj"))
            if not trees:
                return MODEL_BYTES  # it is not there (yet): reading it says so
            self._sizes[digest] = int(trees * TREES_FACTOR) + MODEL_BYTES
        return self._sizes[digest]

    def asked(self, use_case: str, version: int, loaded: Loaded) -> Arm:
        """The arm of an older version under the use case's present generation."""
        serving = self.serving[use_case]
        key = ArmKey(use_case, serving.route.generation, serving.override_id or "", ARM, version, loaded.digest)
        return Arm(ARM, Slot(version=version, digest=loaded.digest), loaded, key)

    def hold(self, use_case: str, digests: list[str]) -> list[str]:
        """Keep these packages until the use case's next `switch`; those that must still be read.

        Raises PackageError when there are too many or they do not fit into memory together; nothing is changed then.
        """
        missing = [digest for digest in digests if digest not in self._models]
        if len(self._models) + len(missing) > self._limits.models_max:
            raise PackageError("the server is full", value=f"{len(self._models)} packages loaded", allowed=f"{self._limits.models_max}",
                               next_step="retire versions that are not needed")
        wanted = sum(self.size_of(digest) for digest in self.pinned | set(digests))
        if wanted > self._limits.models_bytes_max:
            raise PackageError("the models of this route do not fit into the server's memory beside those of the others",
                               value=f"{wanted:,} bytes", allowed=f"{self._limits.models_bytes_max:,} bytes",
                               next_step="raise INTERLOCK_SERVING_MODELS_BYTES_MAX, or train a smaller model")
        self.older.shrink(self._limits.models_bytes_max - wanted)
        self._held[use_case] = set(digests)
        return missing

    def read(self, use_case: str, digests: list[str]) -> list[Loaded]:
        """Read, verify, load and warm packages: slow, changes nothing here, runs in a thread. Raises PackageError."""
        return [self._read(use_case, digest) for digest in digests]

    def put(self, found: list[Loaded]) -> None:
        """Take what was read."""
        self._models |= {loaded.digest: loaded for loaded in found}

    def let_go(self, use_case: str, digests: list[str]) -> None:
        """A preparation of exactly these packages was refused: they need not be kept for it."""
        if self._held.get(use_case) == set(digests):
            del self._held[use_case]
            self._drop_unneeded()

    def switch(self, route: Route, override_id: str | None, versions: dict[str, str] | None = None) -> None:
        """Answer with this route from now on, and with these older versions when they are asked for.

        Raises PackageError when a package is not loaded; nothing is changed then.
        """
        absent = [slot.digest for slot in route.slots() if slot.digest not in self._models]
        if absent:
            raise PackageError("a package of the route is not loaded", value=", ".join(absent))
        arms = {}
        for name, slot in (("champion", route.champion), ("candidate", route.candidate), ("previous", route.previous)):
            if slot is not None:
                key = ArmKey(route.use_case, route.generation, override_id or "", name, slot.version, slot.digest)
                arms[name] = Arm(name, slot, self._models[slot.digest], key)
        mirror = _mirror(route, arms)
        self.serving[route.use_case] = Serving(route, override_id, arms)
        self._held.pop(route.use_case, None)
        if versions is not None:
            self.older.know(route.use_case, versions)
        self.older.rename(route.use_case)
        self.serving[route.use_case] = Serving(route, override_id, arms, self.older.arms[route.use_case], mirror)
        self._drop_unneeded()

    def report(self) -> dict[str, list[int | str | None]]:
        """Generation and override that each use case is answered with."""
        return {name: [serving.route.generation, serving.override_id] for name, serving in self.serving.items()}

    @property
    def pinned(self) -> set[str]:
        """Packages that a route or a preparation needs: never dropped for older versions."""
        return {slot.digest for serving in self.serving.values() for slot in serving.route.slots()}.union(*self._held.values())

    def _drop_unneeded(self) -> None:
        needed = self.pinned
        self._models = {digest: loaded for digest, loaded in self._models.items() if digest in needed}
        self._sizes = {digest: size for digest, size in self._sizes.items() if digest in needed}

    def _read(self, use_case: str, digest: str) -> Loaded:
        package = read_package(self._packages, digest)
        if package.manifest.use_case != use_case:
            raise PackageError("the package is for another use case", value=package.manifest.use_case, allowed=use_case)
        model = package.open_model(threads=1)
        warm = np.full((1, len(package.manifest.features.specs)), np.nan, dtype=np.float32)
        model.interval(warm, model.score(warm))
        gc.freeze()  # what lives as long as the model need not be looked at again by every collection
        manifest = package.manifest
        return Loaded(digest, manifest, model, accepted_fields(manifest), required_fields(manifest), captured_kinds(manifest),
                      Completion(manifest, self._tables), Encoder(manifest.features), Domain.of(package))
