"""What a report's sections are made of; the template knows how each is shown."""


def section(name, title, blocks):
    """A section; None where there is nothing to show."""
    blocks = [block for block in blocks if block is not None]
    return {"id": name, "title": title, "blocks": blocks} if blocks else None


def text(sentence, tone=None):
    """A paragraph.

    Args:
        sentence: what it says.
        tone: "soft", "good", "warning", "alarm" or None.
    """
    return {"kind": "text", "text": sentence, "tone": tone}


def heading(words):
    """A heading within a section."""
    return {"kind": "heading", "text": words}


def bullets(entries):
    """A list of sentences, or of pairs of a sentence and its tone; None without any."""
    pairs = [(entry, None) if isinstance(entry, str) else entry for entry in entries]
    listed = [{"text": sentence, "tone": tone} for sentence, tone in pairs]
    return {"kind": "list", "entries": listed} if listed else None


def table(rows, numbers=()):
    """A table, the first row its heads; the columns of `numbers` are set to the right."""
    return {"kind": "table", "rows": rows, "numbers": tuple(numbers)}


def plots(*figures):
    """Figures that `figure_of` made, side by side where there is room."""
    return {"kind": "plots", "figures": figures}


def png(address, description):
    """A picture that holds itself; None without one."""
    if address is None:
        return None
    return {"kind": "png", "address": address, "description": description}


def code(lines):
    """Lines to be typed."""
    return {"kind": "code", "text": "\n".join(lines)}


def mistakes(entries):
    """Pictures that were mistaken; None without any."""
    return {"kind": "mistakes", "entries": entries} if entries else None
