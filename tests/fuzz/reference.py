"""What prometheus_client's own parser reads on a page, as far as it can be compared with ours.

It is laxer than the format (it reads `a 1 garbage`) and stricter (it wants `_total` on counters'
names); where it raises there is nothing to compare. Its integers have no -0.
"""

import re

from prometheus_client.parser import text_string_to_metric_families

Flat = list[tuple[str, list[tuple[str, str]], str]]


def by_reference(body: bytes) -> Flat | None:
    """Name, labels and value of each sample, sorted; None where nothing can be compared."""
    page = body.decode()
    written = {re.split(r"[{ \t]", line.strip(" \t"))[0] for line in page.split("\n")}
    if any(f"{name}_total" in written for name in written):
        return None  # which of the two it adds `_total` to, nobody can tell
    try:
        families = list(text_string_to_metric_families(page))
    except Exception:  # noqa: BLE001 - whatever it raises, it does not read the page
        return None
    return sorted(
        (
            sample.name if sample.name in written else sample.name.removesuffix("_total"),
            sorted(sample.labels.items()),
            repr(float(sample.value) + 0.0),
        )
        for family in families
        for sample in family.samples
    )
