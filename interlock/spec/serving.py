"""How the prediction server treats requests of one use case: `[serving]`. Every default is what a server without the section does."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from interlock.spec.data import Section

Treatment = Literal["refuse", "flag"]
Answer = float | str


class _Sparse(Section):
    """Written down without what equals its default: routes and ledger entries name only what a use case chose."""

    @model_serializer(mode="wrap")
    def _chosen(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = write(self)
        defaults = {name: field.get_default(call_default_factory=True) for name, field in type(self).model_fields.items()
                    if not field.is_required()}
        return {name: value for name, value in found.items() if name not in defaults or getattr(self, name) != defaults[name]}


class Rule(_Sparse):
    """One line of a rule that answers in the model's place; the first that fits decides."""

    column: str = Field(description="Field of the request that is looked at.")
    operator: Literal["<", "<=", "==", "!=", ">=", ">"] = Field(description="How it is compared; a missing value fits no line.")
    value: float | str | bool = Field(description="What it is compared with.")
    answer: Answer = Field(description="The answer where the line fits: 0 or 1 (binary), a class (multiclass), a number (regression).")


class Abstention(_Sparse):
    """When the model's own answer is not given, and what is given instead."""

    out_of_range: int | None = Field(default=None, ge=1, description="The model abstains from a record with this many numbers outside the range of its training rows.")
    unseen_in: list[str] = Field(default_factory=list, max_length=100, description="It abstains where one of these columns has a category that it never met.")
    missing_in: list[str] = Field(default_factory=list, max_length=100, description="It abstains where one of these columns is missing.")
    confidence_min: float | None = Field(default=None, gt=0, le=1, description="binary, multiclass: it abstains where the probability of its most probable answer is below this.")
    interval_width_max: float | None = Field(default=None, ge=0, allow_inf_nan=False, description="regression with `quantiles`: it abstains where the interval is wider than this.")
    fallback: Literal["champion", "ask_a_person", "rule"] = Field(default="ask_a_person", description="Who answers instead. champion: where a candidate abstains the champion answers; where the champion abstains, a person is asked. ask_a_person: no answer is given. rule: the lines of `rules`, then `otherwise`.")
    rules: list[Rule] = Field(default_factory=list, max_length=50, description="rule: lines, the first that fits decides.")
    otherwise: Answer | None = Field(default=None, description="rule: the answer where no line fits; without it a person is asked.")

    @property
    def on(self) -> bool:
        """Whether the model may abstain at all."""
        return bool(self.out_of_range or self.unseen_in or self.missing_in or self.confidence_min is not None
                    or self.interval_width_max is not None)

    @model_validator(mode="after")
    def _answers(self) -> Abstention:
        if self.fallback == "rule" and not self.rules and self.otherwise is None:
            raise ValueError("fallback = \"rule\" needs `rules` or `otherwise`")
        if self.fallback != "rule" and (self.rules or self.otherwise is not None):
            raise ValueError("`rules` and `otherwise` go with fallback = \"rule\"")
        return self


class Serving(_Sparse):
    """How requests are checked, explained, and when the model abstains."""

    unknown: Treatment = Field(default="refuse", description="A field that the model does not know. flag: left out, and the answer is flagged `unknown:<field>`.")
    absent: Treatment = Field(default="refuse", description="A field of the model that is not there at all. flag: taken as null, `absent:<field>`.")
    missing: Treatment = Field(default="flag", description="null where the column has `missing = false`. flag: scored as missing, `missing:<field>`.")
    mistyped: Treatment = Field(default="refuse", description="A value of the wrong type. flag: scored as missing, `mistyped:<field>`.")
    out_of_range: Literal["refuse", "flag", "accept"] = Field(default="accept", description="A number outside the column's `min` and `max`. flag: scored as it is, `out_of_range:<field>`.")
    trained_range: Literal["flag", "accept"] = Field(default="accept", description="A number outside the range of the training rows. flag: scored as it is, `untrained:<field>`.")
    unseen: Treatment = Field(default="flag", description="A category not met in training. flag: scored as missing, `unseen:<field>`.")
    batch: Literal["all_or_nothing", "each"] = Field(default="all_or_nothing", description="all_or_nothing: one refused record refuses the request. each: the good records are answered, and a refused one has its problems in its place.")
    explain_rows_max: int = Field(default=16, ge=0, le=1_000, description="Most records in a request that asks for reasons; 0: reasons are not given.")
    abstention: Abstention = Field(default_factory=Abstention, description="When a declared fallback answers in the model's place.")
    inflight_share: float = Field(default=1.0, gt=0, le=1, description="Share of a worker's places that its requests may take at once (several use cases always leave each other some); more: 503 with Retry-After.")
    requests_per_s: float | None = Field(default=None, gt=0, allow_inf_nan=False, description="Prediction requests answered per second by all workers together; more: 503 with Retry-After. Without it, as many as there are places.")
    rows_max: int | None = Field(default=None, ge=1, description="Most records in one request, below the installation's own bound; more: 413.")
    body_bytes_max: int | None = Field(default=None, ge=1_024, description="Largest request body in bytes, below the installation's own bound; larger: 413.")
    versions: Literal["served", "route"] = Field(default="served", description="Versions that may be asked for by number. served: those that answered customers before, beside those of the route. route: champion, previous and candidate only.")
    capture: Literal["durable", "relaxed"] = Field(default="durable", description="durable: a reply with `captured: true` waits until the answer is on the disk. relaxed: it goes out at once with `captured: \"relaxed\"`; a crash loses at most 50 ms of answers.")
