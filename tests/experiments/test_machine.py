"""helpers.experiments.machine: a result names the processor so that it can be told from others."""

import pytest

from helpers.experiments.machine import describe_machine, write_result

INTEL_WITH_AMX = """processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 143
model name\t: Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz
flags\t\t: fpu sse2 avx2 avx512f avx512_bf16 amx_bf16 amx_tile amx_int8
bugs\t\t: spectre_v1

processor\t: 1
vendor_id\t: SecondCore
flags\t\t: fpu
"""
AMD_WITH_BFLOAT16 = """processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 17
model name\t: AMD EPYC 9B14
flags\t\t: fpu sse2 avx2 avx512f avx512_bf16
"""
AMD_WITHOUT_A_FULL_NAME = """processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 1
model name\t: AMD EPYC
flags\t\t: fpu sse2 avx2
"""


def described(tmp_path, cpuinfo):
    path = tmp_path / "cpuinfo"
    path.write_text(cpuinfo, encoding="utf-8")
    return describe_machine(path)


@pytest.mark.parametrize(
    ("cpuinfo", "vendor", "model", "family_and_model", "units"),
    [
        (
            INTEL_WITH_AMX,
            "GenuineIntel",
            "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz",
            "6/143",
            ["avx2", "avx512f", "avx512_bf16", "amx_bf16"],
        ),
        (AMD_WITH_BFLOAT16, "AuthenticAMD", "AMD EPYC 9B14", "25/17", ["avx2", "avx512f", "avx512_bf16"]),
        (AMD_WITHOUT_A_FULL_NAME, "AuthenticAMD", "AMD EPYC", "25/1", ["avx2"]),
    ],
)
def test_the_processor_is_that_of_the_first_core(tmp_path, cpuinfo, vendor, model, family_and_model, units):
    found = described(tmp_path, cpuinfo)
    assert (found["vendor"], found["model"]) == (vendor, model)
    assert (found["family_and_model"], found["units"]) == (family_and_model, units)


def test_a_processor_of_which_less_is_known_is_described_as_far_as_it_is(tmp_path):
    found = described(tmp_path, "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd\n")  # as on ARM
    assert (found["vendor"], found["model"], found["family_and_model"], found["units"]) == (
        "unknown",
        "unknown",
        "?/?",
        [],
    )


def test_without_cpuinfo_only_the_kind_of_processor_is_known(tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.experiments.machine.platform.machine", lambda: "arm64")
    monkeypatch.setattr("helpers.experiments.machine.torch.cuda.is_available", lambda: False)
    found = describe_machine(tmp_path / "nowhere")
    assert found["processor"] == "arm64"
    assert set(found) == {"cores", "threads", "processor", "python", "torch", "transformers"}


def test_the_gpu_is_named_where_there_is_one(tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.experiments.machine.torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("helpers.experiments.machine.torch.cuda.get_device_name", lambda: "GPU of a test")
    assert describe_machine(tmp_path / "nowhere")["gpu"] == "GPU of a test"


def test_a_result_is_a_file_named_after_it(tmp_path):
    write_result("measured", {"value": 1}, tmp_path / "results")
    assert (tmp_path / "results" / "measured.json").read_text() == '{\n  "value": 1\n}\n'
