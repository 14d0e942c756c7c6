"""The section about what was found in the data before the training."""

from keras_transfer.runs import blocks
from keras_transfer.runs.findings_figures import panels_of
from keras_transfer.runs.recorded_findings import (
    conclusions,
    copies,
    label_errors,
    listed,
    mapping,
)

_TITLES = {
    "audit": "Audit of the data",
    "recommend": "Recommended plan",
    "rank": "Ranking of backbones",
    "probe": "Linear probes by stage",
    "find-lr": "Learning-rate range test",
}
# Images that are shown of copies and of suspected labels.
_MOST_PAIRS, _MOST_LABELS = 8, 12


def findings(run, images):
    """The section about the findings in the run folder.

    Args:
        run: a `Run`.
        images: its `RunImages`.
    """
    found, corrupt = [], []
    for command, heading in _TITLES.items():
        if command not in run.findings:
            continue
        content = run.findings[command]
        figures = None if content is None else _figures(command, content)
        if figures is None:
            corrupt.append(f"{command}.json")
        if content is None:
            continue
        found.append(blocks.heading(heading))
        said, drawn = blocks.bullets(_sentences(content, run)), blocks.plots(*(figures or ()))
        if figures and len(figures) == 1:
            found.append(blocks.beside([drawn], [said]))
        else:
            found += [said, drawn]
        if command == "audit":
            found += [_copies(run, images), _labels(run, images)]
    if corrupt:
        found.append(blocks.text(f"Corrupt, and left out: {', '.join(corrupt)}.", "warning"))
    if not found and run.task.is_audited and run.kind.name == "images":
        hint = (
            "The data were not examined. `keras-transfer audit DATA --output RUN` looks for "
            "problems in the images; `recommend`, `rank`, `probe` and `find-lr` work the same "
            "way, and `keras-transfer report RUN` shows their results."
        )
        found = [blocks.text(hint, "soft")]
    return blocks.section("findings", "Findings before the training", found)


def _figures(command, content):
    """The figures of a command, or None for contents that cannot be drawn."""
    try:
        return [
            blocks.figure_of(f"{command}-{number}", draw, description)
            for number, (description, draw) in enumerate(panels_of(command, content))
        ]
    # Matplotlib raises many kinds of errors for values of a wrong kind.
    except Exception:
        return None


def _copies(run, images):
    pairs, entries = copies(run) or [], []
    for pair in pairs[:_MOST_PAIRS]:
        pictures = [(_picture(images, path), "copy") for path in pair["names"]]
        if all(picture for picture, _ in pictures):
            splits = list(dict.fromkeys(listed(pair.get("splits"))))
            entries.append(
                {
                    "pictures": pictures,
                    "lines": [f"{pair['evidence']}, {' and '.join(splits)}"],
                    "name": " = ".join(map(images.name_of, pair["names"])),
                    "mark": "in two splits" if len(splits) > 1 else None,
                }
            )
    return _folded("Pairs of copies", len(pairs), entries)


def _labels(run, images):
    errors, entries = label_errors(run), []
    for error in errors[:_MOST_LABELS]:
        picture = _picture(images, error["name"])
        if picture:
            entries.append(
                {
                    "pictures": [(picture, error["given"])],
                    "lines": [f"label: {error['given']} {error['given_probability']:.1%}"],
                    "name": images.name_of(error["name"]),
                    "mark": f"suspected label: the audit suggests {error['suggested']} "
                    f"{error['suggested_probability']:.0%}",
                }
            )
    return _folded("Labels that are likely wrong", len(errors), entries)


def _folded(title, number, entries):
    if not entries:
        return None
    return blocks.folded(f"{title}: {number}, {len(entries)} shown", [blocks.gallery(entries)])


def _picture(images, path):
    image = images.open(path, blocks.SIDE)
    return image and blocks.thumbnail(image)


def _sentences(content, run):
    """What the JSON file of a command says in words."""
    plain = [content[key] for key in ("conclusion",) if isinstance(content.get(key), str)]
    if isinstance(content.get("strategy"), str):
        plain.append(f"Recommended: {content['strategy']}.")
        plain += _reasons(content, run)
    settled = mapping(content.get("negative_transfer")).get("conclusion")
    plain += [settled] if isinstance(settled, str) else []
    warned = [(text, "warning") for text in _strings(content.get("warnings"))]
    data = content.get("data")
    if isinstance(data, str) and data != run.settings.get("data"):
        warned.insert(0, (f"This is about other images: {data}.", "warning"))
    found = [
        (finding["conclusion"], None if finding["severity"] == "note" else finding["severity"])
        for finding in conclusions(content)
    ]
    return [*plain, *warned, *found]


def _reasons(content, run):
    """The reasons for a plan that the run did not follow; its own stand above."""
    reasons = _strings(mapping(content.get("plan")).get("reasons"))
    return [reason for reason in reasons if reason not in run.plan.reasons]


def _strings(values):
    return [value for value in listed(values) if isinstance(value, str)]
