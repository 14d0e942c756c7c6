"""A few nouns in the files of WordNet."""

# offset, words, offsets of what it is a kind of
_NOUNS = (
    ("00001740", ("entity",), ()),
    ("00001930", ("physical_entity",), ("00001740",)),
    ("00002137", ("abstraction",), ("00001740",)),
    ("00015388", ("animal", "beast"), ("00001930",)),
    ("02159955", ("insect",), ("00015388",)),
    ("02219486", ("ant", "emmet"), ("02159955",)),
    ("02206856", ("bee",), ("02159955",)),
    ("07975909", ("bee", "meeting"), ("00002137",)),
    ("01503061", ("bird",), ("00015388",)),
    ("02012849", ("crane",), ("01503061",)),
    ("03126707", ("crane",), ("00001930",)),
    ("01616318", ("vulture",), ("01503061",)),
    ("02084071", ("dog", "domestic_dog"), ("00015388",)),
)


def write_nouns(folder):
    """Writes `data.noun` and `index.noun`; returns the folder."""
    licence = "  1 This software and database is provided  \n"
    lines, senses = [licence], {}
    for offset, words, above in _NOUNS:
        texts = " ".join(f"{word} 0" for word in words)
        pointers = " ".join(f"@ {to} n 0000" for to in above)
        lines.append(
            f"{offset} 05 n {len(words):02x} {texts} {len(above):03d} {pointers} | gloss | x\n"
        )
        for word in words:
            senses.setdefault(word, []).append(offset)
    # The more frequent crane is the machine.
    senses["crane"].reverse()
    index = [
        f"{word} n {len(found)} 1 @ {len(found)} 0 {' '.join(found)}  \n"
        for word, found in sorted(senses.items())
    ]
    folder.mkdir(exist_ok=True)
    (folder / "data.noun").write_text("".join(lines))
    (folder / "index.noun").write_text("".join([licence, *index]))
    return folder
