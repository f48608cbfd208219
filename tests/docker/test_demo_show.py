"""What the demo prints where nothing can be overwritten, such as a log."""

from __future__ import annotations

import pytest

from docker.local.demo.show import Show


def test_progress_is_printed_now_and_then(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """At most one line in five seconds, none twice in a row; what happened is always printed."""
    now = [100.0]
    monkeypatch.setattr("docker.local.demo.show.time.monotonic", lambda: now[0])
    made = Show()
    for second in range(12):
        now[0] = 100.0 + second
        made.progress(f"{second} records")
    now[0] = 120.0
    made.progress("10 records")
    made.good("10 records in")
    assert capsys.readouterr().out.splitlines() == [
        "  … 0 records",
        "  … 5 records",
        "  … 10 records",
        "  ✓ 10 records in",
    ]
