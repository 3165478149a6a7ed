"""All contracts imported, so that `REGISTRY` is complete."""

from shared.contracts import (
    agreements,
    final_stage,
    labour_market,
    monitoring,
    partners,
    platform,
    practice,
    preparation,
    reporting,
    surveys,
    visits,
)
from shared.contracts.events import REGISTRY

__all__ = [
    "REGISTRY",
    "agreements",
    "final_stage",
    "labour_market",
    "monitoring",
    "partners",
    "platform",
    "practice",
    "preparation",
    "reporting",
    "surveys",
    "visits",
]
