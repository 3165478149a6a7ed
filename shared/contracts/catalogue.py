"""All contracts imported, so that `REGISTRY` is complete."""

from shared.contracts import agreements, monitoring, partners, surveys
from shared.contracts.events import REGISTRY

__all__ = ["REGISTRY", "agreements", "monitoring", "partners", "surveys"]
