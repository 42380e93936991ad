"""Usage rows and the words one may group by."""

import pytest

from service.usage import dimensions
from vocabulary.errors import ConfigError


def test_the_usual_grouping_is_by_tenant_and_model() -> None:
    assert dimensions(None) == ("tenant", "model")


def test_a_word_that_is_no_dimension_is_named() -> None:
    with pytest.raises(ConfigError, match="cannot group by 'colour'; group by tenant, model, pool"):
        dimensions("tenant,colour")
