"""What the doctor says about a host that lacks protections, and that grading then refuses."""

from __future__ import annotations

import pytest

from helpers.grader.errors import GraderError
from helpers.grader.run.grade import GradingOptions, grade
from helpers.grader.sandbox import doctor
from helpers.grader.sandbox.kernelspecs import SANDBOX_KERNEL


@pytest.fixture
def without(monkeypatch):
    """A function that makes this a host without the protections named."""

    def without(*names: str) -> None:
        protections = tuple(
            doctor.Protection(name, name not in names, name in doctor.REQUIRED, consequence, "not here")
            for name, consequence in doctor.CONSEQUENCES.items()
        )
        monkeypatch.setattr(doctor, "protections", lambda: protections)

    return without


def test_grading_refuses_where_the_host_cannot_isolate(course, tmp_path, without):
    without("network namespaces")
    (tmp_path / "submitted").mkdir()
    with pytest.raises(GraderError, match=r"network namespaces \(not here\).*--unsafe"):
        grade(course, tmp_path / "submitted", tmp_path / "graded", GradingOptions(kernel_name=SANDBOX_KERNEL))
    assert not (tmp_path / "graded" / "grades.csv").exists()


def test_the_report_says_what_a_missing_protection_means(without):
    without("network namespaces", "GPU")
    lines = doctor.report().splitlines()
    assert "NO   network namespaces" in lines and "no   GPU" in lines and "yes  Landlock" in lines
    after = lines[lines.index("NO   network namespaces") + 1 :]
    assert after[:2] == ["     not here", "     Without it: a notebook could send data out or fetch answers."]
    assert lines[-1].startswith("Grading refuses")


@pytest.mark.parametrize("name", doctor.CONSEQUENCES)
def test_only_required_protections_stop_grading(without, name):
    without(name)
    assert doctor.isolates() == (name not in doctor.REQUIRED)


def test_other_systems_than_linux_offer_nothing(monkeypatch):
    monkeypatch.setattr(doctor.sys, "platform", "darwin")
    protections = doctor.protections.__wrapped__()
    assert [protection.name for protection in protections] == list(doctor.CONSEQUENCES)
    assert not any(protection.works for protection in protections)
