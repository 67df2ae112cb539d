# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of what Lima makes of lima.yaml, and what Callao makes of them.

A folder of ``*.jsonl`` files, one case a line; the file's stem is the topic, and decides what a case
holds: see the modules beside this one, one for each kind.
"""

from support.corpus.run import TOPICS, Result, cases, results

__all__ = ["TOPICS", "Result", "cases", "results"]
