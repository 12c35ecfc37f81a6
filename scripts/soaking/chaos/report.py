"""What a run has shown: on the terminal, and in a file for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from soaking.chaos.judging import is_documented
from soaking.chaos.oracles import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from soaking.chaos.judging import Found
    from soaking.figures import Histogram

SHOWN = 30  # complaints
MS = 1e-6
QUANTILES = {"p50": 0.5, "p99": 0.99, "max": 1.0}


def pauses_of(histogram: Histogram) -> dict[str, float]:
    """How long they were, in ms."""
    return {name: histogram.quantile(share) * MS for name, share in QUANTILES.items()}


def report(found: Found) -> str:
    """All of it, for people."""
    rate = found.published / found.seconds if found.seconds else 0.0
    hits = ", ".join(f"{count:,} {what}" for what, count in sorted(found.hits.items()))
    lines = [
        f"{found.published:,} messages, {found.published_bytes:,} bytes, in {found.seconds:.0f} s"
        f" ({rate:,.0f} a second); the longest wait for room {found.most:.2f} s",
        f"{found.faults:,} faults: {hits}; {found.takeovers:,} takeovers, "
        f"{found.resumed:,} streams went on",
        f"{found.pings:,} PINGs, {found.pongs:,} PONGs; {found.changes:,} changes of wants",
        "",
        "kind of subscriber    there     received      missing   disconnects",
    ]
    lines += [
        f"{kind:18} {count:8,} {found.heard[kind]:12,} {found.missing[kind]:12,} "
        f"{found.ended[kind]:13,}"
        for kind, count in sorted(found.people.items())
    ]
    lines += ["", "pauses felt, ms                    times       p50       p99       max"]
    lines += [
        f"{what:30} {histogram.total:9,}"
        + "".join(f"{value:10.0f}" for value in pauses_of(histogram).values())
        for what, histogram in sorted(found.pauses.items())
    ]
    lines += ["", *_verdict(found)]
    return "\n".join(lines)


def _verdict(found: Found) -> list[str]:
    lines = [
        f"disconnect, {'documented' if is_documented(why) else 'NOT DOCUMENTED'}: {count:,} x {why}"
        for why, count in found.disconnects.most_common()
    ]
    lines += [f"worker lost: {count:,} x {why}" for why, count in found.lost.most_common()]
    if found.by_ipc:
        lines.append(f"{found.by_ipc:,} disconnects were of ipc, of which {found.excused:,} may be")
    if found.half_open:
        lines.append(f"{found.half_open:,} connections were lost in their handshake")
    lines += [f"WRONG ({kind}): {text}" for kind, text in found.wrong[:SHOWN]]
    lines += [f"COUNTED WRONG: {text}" for text in found.counters[:SHOWN]]
    lines += [f"FAILED: {text}" for text in found.failures[:SHOWN]]
    wrong = ", ".join(f"{found.count(fault)} {fault}" for fault in Fault)
    lines.append(
        f"{found.faults:,} faults, {sum(found.ended.values()):,} disconnects "
        f"({found.undocumented:,} not documented), {wrong}, {len(found.counters)} miscounted: "
        + ("held" if found.held else "NOT HELD")
    )
    return lines


def as_json(found: Found, settings: Mapping[str, Any]) -> dict[str, Any]:
    """All of it, for programs."""
    plain = {k: v for k, v in vars(found).items() if k != "pauses"}
    pauses = {
        what: {"times": histogram.total, **pauses_of(histogram)}
        for what, histogram in found.pauses.items()
    }
    return {**settings, **plain, "pauses_ms": pauses, "faults": found.faults, "held": found.held}


def write_json(path: Path, found: Found, settings: Mapping[str, Any]) -> None:
    """To a file."""
    path.write_text(json.dumps(as_json(found, settings), indent=1) + "\n")
