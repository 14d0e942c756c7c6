"""The section about what was found in the data before the training."""

from keras_transfer.runs import blocks

_TITLES = {
    "audit": "Audit of the data",
    "recommend": "Recommended plan",
    "rank": "Ranking of backbones",
    "probe": "Linear probes by stage",
    "find-lr": "Learning-rate range test",
}


def findings(run):
    """The section about the findings in the run folder."""
    found, corrupt = [], []
    for command, heading in _TITLES.items():
        if command not in run.findings:
            continue
        content = run.findings[command]
        if content is None:
            corrupt.append(f"{command}.json")
            continue
        found.append(blocks.heading(heading))
        found.append(blocks.bullets(_sentences(content, run)))
        figure = run.path / f"{command}.png"
        found.append(blocks.png(figure, f"{heading}: figure of keras-transfer {command}"))
    if corrupt:
        found.append(blocks.text(f"Corrupt, and left out: {', '.join(corrupt)}.", "warning"))
    if not found:
        hint = (
            "The data were not examined. `keras-transfer audit DATA --output RUN` looks for "
            "problems in the images; `recommend`, `rank`, `probe` and `find-lr` work the same "
            "way, and `keras-transfer report RUN` shows their results."
        )
        found = [blocks.text(hint, "soft")]
    return blocks.section("findings", "Findings before the training", found)


def _sentences(content, run):
    """What the JSON file of a command says in words."""
    plain = [content[key] for key in ("conclusion",) if isinstance(content.get(key), str)]
    if isinstance(content.get("strategy"), str):
        plain.append(f"Recommended: {content['strategy']}.")
        plain += _reasons(content, run)
    settled = _mapping(content.get("negative_transfer")).get("conclusion")
    plain += [settled] if isinstance(settled, str) else []
    warned = [(text, "warning") for text in _strings(content.get("warnings"))]
    data = content.get("data")
    if isinstance(data, str) and data != run.settings.get("data"):
        warned.insert(0, (f"This is about other images: {data}.", "warning"))
    found = [
        (finding["conclusion"], None if finding["severity"] == "note" else finding["severity"])
        for finding in _listed(content.get("findings"))
        if isinstance(finding, dict) and {"conclusion", "severity"} <= finding.keys()
    ]
    return [*plain, *warned, *found]


def _reasons(content, run):
    """The reasons for a plan that the run did not follow; its own stand above."""
    reasons = _strings(_mapping(content.get("plan")).get("reasons"))
    return [reason for reason in reasons if reason not in run.plan.reasons]


def _mapping(value):
    return value if isinstance(value, dict) else {}


def _strings(values):
    return [value for value in _listed(values) if isinstance(value, str)]


def _listed(values):
    return values if isinstance(values, list) else []
