# SPDX-License-Identifier: GPL-3.0-or-later
"""How many cases of a corpus Callao agrees with: by topic, and each difference with ``-v``.

    python tests/bench/corpus.py [-v] [FOLDER]

FOLDER has ``values.jsonl``, ``ports.jsonl`` and so on, see tests/support/corpus; ``../shared/corpus`` where
nothing else is said.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.figures import line
from support.corpus import TOPICS, results

ROOT = Path(__file__).parents[2]
_MOST = 600


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT.parent / "shared" / "corpus")
    parser.add_argument("-v", "--verbose", action="store_true", help="print each difference")
    options = parser.parse_args()
    if not options.folder.is_dir():
        parser.error(f"FOLDER: there is no folder {options.folder}.")
    agreed: Counter[str] = Counter()
    total: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="callao-corpus-") as scratch:
        for result in results(options.folder, Path(scratch)):
            total[result.topic] += 1
            agreed[result.topic] += result.agrees
            if options.verbose and not result.agrees:
                line(f"{result.topic} {result.id}")
                line(f"  wanted {_brief(result.wanted)}")
                line(f"  given  {_brief(result.given)}")
    for topic in TOPICS:
        if total[topic]:
            line(f"{topic:12} {agreed[topic]:5}/{total[topic]}")
    line(f"{'total':12} {sum(agreed.values()):5}/{sum(total.values())}")
    return 0


def _brief(verdict: object) -> str:
    text = str(verdict)
    return text if len(text) <= _MOST else text[: _MOST - 1] + "…"


if __name__ == "__main__":
    sys.exit(main())
