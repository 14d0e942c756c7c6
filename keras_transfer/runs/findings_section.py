"""What was found before the training."""

from keras_transfer.runs import blocks
from keras_transfer.runs.page_figures import embedded

_TITLES = {
    "audit": "The data",
    "recommend": "What was recommended",
    "rank": "Which network",
    "probe": "What each stage knows",
    "find-lr": "The learning rate",
}


def findings(results):
    """The section, or None where nothing was looked at.

    Args:
        results: `RunResults`.
    """
    found = []
    for command, heading in _TITLES.items():
        if command in results.findings:
            found.append(blocks.heading(heading))
            found.append(blocks.bullets(_sentences(results.findings[command], results)))
            address = embedded(results.directory / f"{command}.png")
            found.append(blocks.png(address, f"{heading}: what keras-transfer {command} drew"))
    if results.damaged:
        names = ", ".join(f"{name}.json" for name in results.damaged)
        found.append(blocks.text(f"Damaged, and left out: {names}.", "warning"))
    if not found:
        hint = (
            "Nothing was looked at. `keras-transfer audit DATA --output RUN` says what is "
            "wrong with pictures; `recommend`, `rank`, `probe` and `find-lr` work alike, and "
            "`keras-transfer report RUN` shows what they found."
        )
        found = [blocks.text(hint, "soft")]
    return blocks.section("findings", "What was found in the data beforehand", found)


def _sentences(content, results):
    """What a command's JSON file says in words."""
    plain = [content[key] for key in ("conclusion",) if isinstance(content.get(key), str)]
    if isinstance(content.get("strategy"), str):
        plain.append(f"Recommended: {content['strategy']}.")
        plain += _reasons(content, results)
    settled = _mapping(content.get("negative_transfer")).get("conclusion")
    plain += [settled] if isinstance(settled, str) else []
    warned = [(text, "warning") for text in _strings(content.get("warnings"))]
    data = content.get("data")
    if isinstance(data, str) and data != results.settings.get("data"):
        warned.insert(0, (f"This is about other pictures: {data}.", "warning"))
    told = [
        (finding["sentence"], None if finding["severity"] == "note" else finding["severity"])
        for finding in _listed(content.get("findings"))
        if isinstance(finding, dict) and {"sentence", "severity"} <= finding.keys()
    ]
    return [*plain, *warned, *told]


def _reasons(content, results):
    """Those of a plan that the run did not follow: of its own they stand above."""
    reasons = _strings(_mapping(content.get("plan")).get("reasons"))
    return [reason for reason in reasons if reason not in results.plan["reasons"]]


def _mapping(value):
    return value if isinstance(value, dict) else {}


def _strings(values):
    return [value for value in _listed(values) if isinstance(value, str)]


def _listed(values):
    return values if isinstance(values, list) else []
