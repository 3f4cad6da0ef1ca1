"""Reports as JUnit XML and as annotations: whatever a check has seen."""

from pathlib import Path
from xml.etree import ElementTree as Xml

import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st

from frontier.domain.check import Checked, Report, State
from frontier.renderers import annotations, junit

SCHEMA = xmlschema.XMLSchema(str(Path(__file__).parents[2] / "fixtures/junit/junit-10.xsd"))
ODD = "a\x00b\x1b[31mred\x1b[0m\ud800 <&>\"' ]]>\nlast\x0b"


def checked(name: str, state: State, seen: str = "seen", **more: str) -> Checked:
    return Checked(
        id=name, name="Name", group=name.partition(".")[0], state=state, seen=seen, **more
    )


def xml(*checks: Checked) -> str:
    report = Report.of("validate", checks, 1.25)
    return junit.render(report, timestamp="2026-11-21T10:00:00", hostname="box")


def test_every_state_is_what_a_reader_of_junit_expects() -> None:
    text = xml(
        checked("b.ok", "pass"),
        checked("a.warns", "warn", expected="more", mend="frontier up"),
        checked("a.fails", "fail", "it broke", expected="whole", mend="frontier start", fix="do"),
        checked("b.idle", "skipped", "nothing runs"),
    )

    SCHEMA.validate(text)
    root = Xml.fromstring(text)
    suites = {s.get("name"): s for s in root}
    assert (root.get("tests"), root.get("failures"), root.get("time")) == ("4", "1", "1.250")
    assert list(suites) == ["validate.a", "validate.b"]
    assert suites["validate.b"].get("skipped") == "1"
    cases = {c.get("name"): c for c in root.iter("testcase")}
    assert cases["b.idle"][0].get("message") == "nothing runs"
    assert cases["a.fails"][0].get("message") == "it broke"
    assert cases["a.fails"][0].text == (
        "Name: it broke\nexpected: whole\nmend it: frontier start\n--fix would: do"
    )
    assert cases["a.warns"][0].tag == "system-out"
    assert str(cases["a.warns"][0].text).startswith("warning: Name: seen")


def test_a_report_of_nothing_is_valid() -> None:
    SCHEMA.validate(xml())


def test_control_characters_do_not_break_the_xml() -> None:
    for state in ("pass", "warn", "fail", "skipped"):
        text = xml(checked("a.b", state, ODD, expected=ODD, mend=ODD))

        SCHEMA.validate(text)
        assert "<&>\"' ]]>" in "".join(Xml.fromstring(text).itertext()) or state == "skipped"
        text.encode()


@settings(max_examples=40)
@given(st.text(), st.sampled_from(["pass", "warn", "fail", "skipped"]))
def test_any_text_gives_valid_xml(said: str, state: State) -> None:
    SCHEMA.validate(xml(checked("a.b", state, said, expected=said, mend=said)))


def test_annotations_are_escaped_as_github_wants_it() -> None:
    report = Report.of(
        "validate",
        [
            checked("a.fails", "fail", "100% of a:b,c\r\nis gone", mend="frontier up"),
            checked("a.warns", "warn"),
            checked("a.ok", "pass"),
            checked("a.idle", "skipped"),
        ],
    )

    lines = annotations.render(report).splitlines()

    assert lines == [
        "::error title=a.fails%3A Name::Name: 100%25 of a:b,c%0D%0Ais gone%0Amend it: frontier up",
        "::warning title=a.warns%3A Name::Name: seen",
        "frontier validate: 1 passed, 1 warned, 1 failed, 1 skipped",
    ]


def test_no_text_can_end_an_annotation_or_begin_another() -> None:
    report = Report.of("test", [checked("a.b", "fail", "x\n::set-env name=A::b\r::error::c")])

    assert len(annotations.render(report).replace("\r", "\n").splitlines()) == 2
