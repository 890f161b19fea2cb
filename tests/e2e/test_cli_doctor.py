"""`opspawn doctor` as a person sees it, before and while Opspawn runs."""

from support.command import Start


def test_one_line_for_each_thing_and_a_mark(start: Start) -> None:
    """✗ and exit code 1 when something is wrong, ✓ for the rest."""
    doctor = start("doctor", OPENAI_BASE_URL="http://127.0.0.1:1/v1")
    assert 1 == doctor.end()
    marks = {line.split(None, 2)[1]: line[0] for line in doctor.out.splitlines()}
    assert "✗" == marks.pop("provider")
    assert {"✓"} == set(marks.values())


def test_all_is_well_while_opspawn_runs(start: Start) -> None:
    """Its own ports are not taken for somebody else's, its database is asked; exit code 0."""
    start("up").wait_for("Try it:")
    doctor = start("doctor")
    assert 0 == doctor.end(), doctor.out
    assert 2 == doctor.out.count("is in use while Opspawn runs")
    assert "running in" in doctor.out
