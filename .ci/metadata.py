"""Build the package's links and its README for a package index from one address."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

RELATIVE = r"(?P<image>!?)\[(?P<text>[^][]*(?:\[[^]]*\][^][]*)?)\]\((?!https?://|#|mailto:)(?P<target>[^)\s]+)\)"


def absolute(markdown: str, home: str) -> str:
    """Return the text with relative links and images made absolute."""
    raw = home.replace("https://github.com/", "https://raw.githubusercontent.com/")

    def link(match: re.Match[str]) -> str:
        base = f"{raw}/main" if match["image"] else f"{home}/blob/main"
        return f"{match['image']}[{match['text']}]({base}/{match['target']})"

    markdown = re.sub(RELATIVE, link, markdown)
    return re.sub(r"(<img[^>]* src=\"|srcset=\")(?!https?://)", rf"\g<1>{raw}/main/", markdown)


class Metadata(MetadataHookInterface):
    """Fills in ``urls`` and ``readme``."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add both to ``metadata``."""
        home = self.config["home"]
        metadata["urls"] = {
            "Homepage": home,
            "Documentation": f"{home}/tree/main/docs",
            "Changelog": f"{home}/blob/main/CHANGELOG.md",
            "Issues": f"{home}/issues",
            "Source": home,
        }
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": absolute(text, home)}
