"""What the runs of the tests are called, and their pages as a browser sees them."""

import html.parser

from keras_transfer import runs
from keras_transfer.freezing import FreezeAll, UnfreezeLast
from keras_transfer.plans import Phase, Plan

# Names that would run or break a page that took them as they are.
NAMES = ['<script>alert("x")</script>', "b & <i>c</i>", "one\nline\x1b[31m"]
SECTIONS = [
    "verdict", "confusion", "gallery", "trust", "findings", "plan", "curves", "stages", "time",
    "use", "provenance", "card",
]  # fmt: skip
PLAN = Plan(
    [
        Phase(FreezeAll(), 2, 1e-2, name="head"),
        Phase(UnfreezeLast(1), 1, 1e-3, layerwise_decay=0.5, name="<b>last</b>"),
    ],
    ["Because <em>so</em>."],
)
HISTORY = "epoch,phase,loss,accuracy,val_loss,val_accuracy\n" + "".join(
    f"{epoch},{phase},{1 / (epoch + 1)},0.5,nan,0.6\n"
    for epoch, phase in enumerate(["head", "head", "<b>last</b>"])
)


def page_of(run):
    """The page of a run folder as text."""
    return runs.Run(run).report().read_text(encoding="utf-8")


class Page(html.parser.HTMLParser):
    """A page: its `ids`, `links`, `tags`, `images`, and the `text` of each section."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.tags, self.images, self.text = [], [], [], [], {}
        self._section, self._hidden = None, False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        self._hidden = tag in ("style", "script", "title")
        if "id" in attrs:
            self.ids.append(attrs["id"])
        if tag == "section":
            self._section = attrs["id"]
            self.text[self._section] = ""
        if tag == "a" and attrs.get("href", "").startswith("#"):
            self.links.append(attrs["href"][1:])
        if tag == "img":
            self.images.append(attrs["src"])

    def handle_endtag(self, tag):
        self._hidden = False
        if tag == "section":
            self._section = None

    def handle_data(self, data):
        if self._section is not None and not self._hidden:
            self.text[self._section] += " ".join(data.split()) + " "
