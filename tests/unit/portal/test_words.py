"""Every code that pages show has its words: what the contracts can say, people can read."""

from pathlib import Path

import pytest

from shared.contracts import vocabulary
from shared.contracts.catalogue import REGISTRY
from shared.i18n import SHARED_MESSAGES, Catalogue, Lang
from shared.scope import Role

CATALOGUE = Catalogue.load(SHARED_MESSAGES, Path(__file__).parents[3] / "services/portal/messages")
EVENTS = [str(name).split(".") for name in REGISTRY]
KEYS = sorted(
    {f"form.{code}" for code in vocabulary.Form}
    | {f"part.{code}" for code in vocabulary.PartnerCategory}
    | {f"kind.{code}" for code in vocabulary.InstitutionKind}
    | {f"level.{code}" for code in vocabulary.TerritoryLevel}
    | {f"role.{code}" for code in Role}
    | {f"event.{parts[-2]}" for parts in EVENTS}
    | {f"aggregate.{parts[-3]}" for parts in EVENTS}
)


@pytest.mark.parametrize("key", KEYS)
def test_code_has_a_text_in_every_language(key: str) -> None:
    assert CATALOGUE.has(key)
    assert len({CATALOGUE.text(key, lang) for lang in Lang}) > 1
