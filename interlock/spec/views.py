"""Feature views: values of an entity over time, declared once in `views/NAME.toml` beside the use cases and shared by them."""

from __future__ import annotations

from pydantic import Field, model_validator

from interlock.spec.data import Section
from interlock.spec.derived import NAME, Derived

VIEW_SPEC_VERSION = 1
FOLDER = "views"


class View(Section):
    """A feature view, in a file of its own, `views/NAME.toml` beside the use cases: their keys stand at its top, `[[features]]` below."""

    spec_version: int = Field(ge=VIEW_SPEC_VERSION, le=VIEW_SPEC_VERSION, description="Version of this format.")
    name: str = Field(pattern=NAME, description="Name; the file is called NAME.toml.")
    title: str = Field(description="Name for people.")
    description: str = Field(description="What the values mean.")
    owner: str = Field(description="Person or team that answers for it.")
    source: str = Field(description="Use case whose snapshots hold the rows.")
    entity: list[str] = Field(min_length=1, max_length=4, description="Columns of the source that name the entity.")
    ttl_hours: float = Field(gt=0, description="Time to live: a feature whose newest value became known longer ago is stale and counts as missing.")
    keep_hours: float = Field(default=48, ge=0, le=24 * 92, description="How far back the online table answers, counted from when it was made; for requests with an older event time the value is missing.")
    features: list[Derived] = Field(min_length=1, max_length=200, description="Its features: kinds `lag` and `rolling`, without `by` and `include_self`; a last value is a lag of 1 row.")

    @model_validator(mode="after")
    def _history_only(self) -> View:
        for feature in self.features:
            if not feature.from_history:
                raise ValueError(f"feature '{feature.name}': a view holds lags and rolling statistics; a {feature.kind} belongs into the use case")
            if feature.by or feature.include_self:
                raise ValueError(f"feature '{feature.name}': a view groups by its entity and looks at known rows only: no `by`, no `include_self`")
        names = [feature.name for feature in self.features]
        if len(names) != len(set(names)):
            raise ValueError("two features have one name")
        return self
