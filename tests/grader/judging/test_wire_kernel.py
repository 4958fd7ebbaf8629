"""The wire to a sandboxed kernel: what a notebook can do to it costs that notebook, and the grader nothing."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from helpers.grader.frames import HEADER, WireClosed, receive_frame, send_frame
from helpers.grader.judging.student_kernel import KernelDied, StudentKernel
from helpers.grader.judging.wire_kernel import MAX_FRAME_BYTES, Message, WireKernel
from helpers.grader.limits import Limits
from helpers.grader.sandbox import syscalls
from helpers.grader.sandbox.doctor import isolates, report
from helpers.grader.sandbox.kernel_process import KernelHandles, KernelProcess
from helpers.grader.sandbox.kernelspecs import SANDBOX_KERNEL
from helpers.grader.sandbox.zygote_client import ZYGOTE

needs_sandbox = pytest.mark.skipif(not isolates(), reason=f"no sandbox on this host:\n{report()}")
LIMITS = Limits(memory=700 * 2**20, processes=64, files=2**24)
HEADER_OF_A_STATUS = {"msg_type": "status"}


@pytest.fixture
def started(kernel_name, tmp_path):
    with StudentKernel(SANDBOX_KERNEL, tmp_path, LIMITS) as kernel:
        kernel.install_probe([])
        yield kernel


@pytest.fixture
def wire():
    """The judge's end of a wire, and the other end, where anything may be sent from."""
    judges, relays = socket.socketpair()
    nothing = [os.open(os.devnull, os.O_RDONLY) for _ in range(4)]
    process = KernelProcess(KernelHandles(nothing[0], nothing[1], judges.detach(), nothing[2], nothing[3]))
    kernel = WireKernel(process)
    with relays:
        yield kernel, relays
    kernel._wire.close()
    for handle in nothing:
        os.close(handle)


# ------------------------------------------------------------------------------------------------------- any messages


def frame(*parts: object) -> bytes:
    payload = json.dumps(parts).encode()
    return HEADER.pack(len(payload)) + payload


def test_a_message_arrives_with_what_the_judge_reads_of_it(wire):
    kernel, relays = wire
    relays.sendall(frame("iopub", {"msg_type": "stream", "more": 1}, {"msg_id": "a"}, {"m": 1}, {"text": "hello"}))
    assert kernel.receive(60) == Message("stream", "a", {"text": "hello"})


def test_a_request_leaves_with_all_that_jupyter_needs(wire):
    kernel, relays = wire
    identifier = kernel.send("execute_request", {"code": "1"})
    channel, header, parent, metadata, content = json.loads(receive_frame(relays, 10_000, 1e9))
    assert (channel, parent, metadata, content) == ("shell", {}, {}, {"code": "1"})
    assert header["msg_id"] == identifier and header["msg_type"] == "execute_request" and header["version"] == "5.4"
    assert kernel.send("execute_request", {"code": "1"}) != identifier


NO_MESSAGES = {
    "no JSON": b"{",
    "not UTF-8": b"\xff\xfe",
    "empty": b"",
    "a number": b"1",
    "too few parts": b'["iopub", {"msg_type": "status"}, {"msg_id": "a"}]',
    "too many parts": b'["iopub", {"msg_type": "status"}, {"msg_id": "a"}, {}, {}, {}]',
    "another channel": b'["shell", {"msg_type": "status"}, {"msg_id": "a"}, {}, {}]',
    "lists for objects": b'["iopub", [], [], [], []]',
    "a kind that is no text": b'["iopub", {"msg_type": {}}, {"msg_id": "a"}, {}, {}]',
    "a parent that is no text": b'["iopub", {"msg_type": "status"}, {"msg_id": 1}, {}, {}]',
    "nested too deep": b"[" * 100_000,
    "content nested too deep": b'["iopub", {"msg_type": "status"}, {"msg_id": "a"}, {}, ' + b'{"a":' * 100_000,
    "a number with too many digits": b"[" + b"1" * 5000 + b"]",
}


@pytest.mark.parametrize("name", NO_MESSAGES)
def test_what_is_no_message_is_passed_over(wire, name):
    kernel, relays = wire
    payload = NO_MESSAGES[name]
    relays.sendall(HEADER.pack(len(payload)))
    relays.settimeout(0)
    sent = relays.send(payload)
    assert sent == len(payload) or sent > 0
    relays.settimeout(60)
    while sent < len(payload):
        with pytest.raises(TimeoutError):
            kernel.receive(0)
        sent += relays.send(payload[sent:])
    assert kernel.receive(60) is None
    relays.sendall(frame("iopub", HEADER_OF_A_STATUS, {"msg_id": "a"}, {}, {}))
    assert kernel.receive(60) == Message("status", "a", {})


def test_a_frame_over_the_limit_ends_the_wire(wire):
    kernel, relays = wire
    relays.sendall(HEADER.pack(MAX_FRAME_BYTES + 1) + b"[")
    with pytest.raises(WireClosed, match="are allowed"):
        kernel.receive(60)


def test_a_message_that_comes_in_pieces_is_waited_for_in_pieces(wire):
    kernel, relays = wire
    whole = frame("iopub", HEADER_OF_A_STATUS, {"msg_id": "a"}, {}, {})
    for place in (0, 3, 10):
        relays.sendall(whole[place : {0: 3, 3: 10, 10: len(whole) - 1}[place]])
        with pytest.raises(TimeoutError):
            kernel.receive(0)
    relays.sendall(whole[-1:])
    assert kernel.receive(60) == Message("status", "a", {})


# ---------------------------------------------------------------------------------------------------- hostile kernels

FLOOD = """
import zmq
kernel = get_ipython().kernel
part = bytes(15 * 2**20)
kernel.iopub_socket.send_multipart([b"x"] + [part] * 80, copy=False)
import signal
signal.pause()
"""


@needs_sandbox
def test_one_message_of_many_parts_takes_up_the_sandboxs_memory_and_not_the_graders(started):
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts anew
    before = own_memory("VmRSS")
    with pytest.raises(KernelDied) as death:
        started.run(FLOOD, 60)
    assert death.value.verdict in ("memory", "crash")
    assert own_memory("VmHWM") - before < 100 * 2**20, "the message has 1200 MiB"


def own_memory(name: str) -> int:
    return int(Path("/proc/self/status").read_text().split(f"{name}:")[1].split()[0]) * 1024


WITHOUT_A_RELAY = """
import os, signal, time
for process in os.listdir("/proc"):
    if process.isdigit() and int(process) not in (1, os.getpid()):
        os.kill(int(process), signal.{signal})
time.sleep(600)
"""


def outcome(started: StudentKernel, code: str, seconds: float = 60) -> str:
    """The verdict if a cell ended its kernel, else the name of the error that it raised."""
    try:
        ran = started.run(code, seconds)
    except KernelDied as death:
        return death.verdict
    return ran.error[0] if ran.error else ""


@needs_sandbox
@pytest.mark.parametrize("signal, verdict", [("SIGKILL", "crash"), ("SIGSTOP", "timeout")])
def test_a_notebook_that_ends_or_stops_its_relay_harms_itself_alone(started, signal, verdict):
    """From version 6 on, Landlock does not even let it."""
    expected = "PermissionError" if syscalls.landlock_version() >= 6 else verdict
    assert outcome(started, WITHOUT_A_RELAY.format(signal=signal), 2) == expected


TAKES_THE_WIRE = """
import ctypes, os, socket, time
relay = min(int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) not in (1, os.getpid()))
wire = ctypes.CDLL(None).syscall(438, os.pidfd_open(relay), 0, 0)  # pidfd_getfd
if wire < 0:
    raise OSError("refused")
taken = socket.socket(fileno=wire)
taken.settimeout(None)
taken.sendall({sent!r})
time.sleep(600)
"""


@needs_sandbox
@pytest.mark.parametrize("sent", [b"\xff" * 100, HEADER.pack(2**31)], ids=["noise", "a large header"])
def test_a_notebook_that_takes_the_wire_harms_itself_alone(started, sent):
    """Landlock does not let it look into the relay."""
    expected = "OSError" if syscalls.landlock_version() else "crash"
    assert outcome(started, TAKES_THE_WIRE.format(sent=sent)) == expected


REPLACES_ITS_SOCKETS = """
import os
for name in os.listdir("/run/kernel"):
    os.rename("/run/kernel/" + name, "/run/kernel/old-" + name)
    os.symlink("/tmp/mine", "/run/kernel/" + name)
print(sorted(name for name in os.listdir("/run/kernel") if os.path.islink("/run/kernel/" + name)))
"""


@needs_sandbox
def test_the_sockets_that_a_notebook_replaces_lead_nobody_anywhere(started):
    ran = started.run(REPLACES_ITS_SOCKETS, 60)
    assert "socket-1" in ran.outputs[0].text
    assert started.ask({"name": "nothing"}, 60) == {"undefined": "nothing"}, "the wire is none of them"
    assert not [path for path in Path(ZYGOTE.folder).rglob("*") if path.name.startswith(("kernel", "socket"))]


@needs_sandbox
def test_a_flood_that_nobody_reads_does_not_hold_up_requests(started):
    """A thread prints while the judge sends requests that are larger than the wire's buffer, and reads nothing."""
    started.run(
        "import sys, threading\ndef flood():\n    while True:\n        print('x' * 100_000, flush=True)\n"
        "threading.Thread(target=flood, daemon=True).start()",
        60,
    )
    for _ in range(5):
        started.kernel.send("comm_msg", {"comm_id": "nobody", "data": "x" * 2**20})


def test_a_request_that_is_not_taken_ends_the_wire(wire, monkeypatch):
    kernel, _ = wire
    monkeypatch.setattr("helpers.grader.judging.wire_kernel.SEND_SECONDS", 0)
    with pytest.raises(WireClosed, match="takes no requests"):
        kernel.send("comm_msg", {"data": "x" * 2**24})


def test_what_is_sent_before_the_end_is_still_read(wire):
    kernel, relays = wire
    send_frame(relays, json.dumps(["iopub", HEADER_OF_A_STATUS, {"msg_id": "a"}, {}, {}]).encode(), 1e9)
    relays.close()
    assert kernel.receive(60) == Message("status", "a", {})
    with pytest.raises(WireClosed):
        kernel.receive(60)
