"""Reading price files: JSON or YAML whose numbers become Decimal straight from their digits."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from vocabulary.errors import ConfigError

SCHEMA = 1
_KNOWN = {
    "schema", "source", "date", "licence", "unit", "tokens", "gpus", "default", "instances",
    "budgets",
}  # fmt: skip


class _ExactLoader(yaml.SafeLoader):
    """PyYAML's safe loader, except that `0.6` is Decimal('0.6') and never a float."""


def _exact(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Decimal:
    return Decimal(str(loader.construct_scalar(node)).replace("_", ""))


_ExactLoader.add_constructor("tag:yaml.org,2002:float", _exact)


_SHAPES: dict[str, tuple[type, str]] = {
    "tokens": (dict, "a price for each model, as `MODEL: {input: …, output: …}`"),
    "gpus": (list, "a list of GPU prices"),
    "instances": (dict, "a price for each instance type, as `TYPE: …`"),
    "default": (list, "the words of one of `gpus`"),
    "budgets": (list, "a list of budgets"),
}


def read_price_file(path: Path) -> dict[str, Any]:
    """The content of *path*, checked for its outer shape.

    Raises:
        ConfigError: It cannot be read, is no JSON or YAML, or has a section we do not know.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            content = json.loads(text, parse_float=Decimal)
        else:
            content = yaml.load(text, _ExactLoader)  # noqa: S506 - a SafeLoader, see above
    except OSError as error:
        raise ConfigError(f"cannot read the price file {path}: {error.strerror}") from error
    except (ValueError, ArithmeticError, yaml.YAMLError) as error:
        raise ConfigError(f"price file {path}: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"price file {path}: must hold sections such as `tokens` or `gpus`")
    unknown = set(content) - _KNOWN
    if unknown:
        raise ConfigError(f"price file {path}: unknown section `{min(map(str, unknown))}`")
    if content.get("schema", SCHEMA) != SCHEMA:
        raise ConfigError(f"price file {path}: schema {content['schema']} is not known here")
    for section, (shape, words) in _SHAPES.items():
        if not isinstance(content.get(section, shape()), shape):
            raise ConfigError(f"price file {path}: `{section}` must hold {words}")
    for entry in content.get("gpus", ()):
        whole = isinstance(entry, dict) and {"words", "usd_per_gpu_hour"} <= entry.keys()
        if not whole or not isinstance(entry["words"], list):
            raise ConfigError(
                f"price file {path}: an entry of `gpus` needs `words`, a list such as [h100, sxm], "
                "and `usd_per_gpu_hour`"
            )
    return content
