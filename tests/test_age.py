"""What ages: the pins, and netron, which stops 180 days after its release."""
import datetime
import sys
from pathlib import Path

import pytest

from helpers import show
from helpers.show import live

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "requirements"))
import age  # noqa: E402

TODAY = datetime.date(2026, 11, 27)


def released(folder, days_ago):
    """A netron package of which only the page with its date is there."""
    date = datetime.date.today() - datetime.timedelta(days_ago)
    (folder / "index.html").write_text('<meta name="date" content="%s 19:50:08">' % date)
    return folder


@pytest.mark.parametrize("date, left, urgent", [
    (datetime.date(2026, 11, 1), 200, False), (datetime.date(2025, 1, 1), 200, True),
    (datetime.date(2026, 11, 1), 20, True), (None, 200, False)])
def test_what_has_to_be_done_is_said(date, left, urgent):
    lines, found = age.report(TODAY, {"current": date}, TODAY + datetime.timedelta(left))
    assert found == urgent and any("refresh" in line for line in lines) == urgent


def test_netron_s_last_day_is_read_from_its_page(tmp_path):
    assert live.netron_expires(released(tmp_path, 10)) == datetime.date.today() + datetime.timedelta(170)
    (tmp_path / "index.html").write_text("another page")
    assert live.netron_expires(tmp_path) is None and live.netron_expires(tmp_path / "none") is None


def test_the_installed_netron_says_its_day():
    assert live.netron_expires() > datetime.date(2026, 11, 1)


@pytest.mark.parametrize("left, said", [(-1, None), (10, "works until"), (100, "")])
def test_a_netron_that_expired_is_refused_before_it_shows_a_wall(tmp_path, monkeypatch, capsys, left, said):
    netron = pytest.importorskip("netron")
    model = tmp_path / "m.pb"
    model.write_bytes(b"")
    monkeypatch.setattr(live, "netron_expires", lambda: datetime.date.today() + datetime.timedelta(left))
    monkeypatch.setattr(netron, "serve", lambda *arguments, **options: ("localhost", 8080), raising=False)
    if said is None:
        with pytest.raises(RuntimeError, match="shows no model since .*show.graph"):
            show.netron_view(model)
        return
    frame = show.netron_view(model)
    assert (said in capsys.readouterr().out) and 'title="netron' in frame._repr_html_() and "m.pb" in frame._repr_html_()
