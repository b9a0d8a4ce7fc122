"""The filter of system calls, interpreted instruction by instruction: what it allows and what it refuses."""

import struct

import pytest

from grader.sandbox.system_calls import ALLOW, AUDIT_ARCHITECTURE, FAMILIES, REFUSE, REFUSE_FAMILY, REFUSED, SOCKET
from grader.sandbox.system_calls import filter_program as program_for


def verdict(program, number, architecture, argument=0):
    """Run a filter as the kernel does, on one call."""
    data = struct.pack("=IIQQ", number, architecture, 0, argument)
    steps = list(struct.iter_unpack("=HBBI", program))
    word, place = 0, 0
    while True:
        code, if_true, if_false, operand = steps[place]
        place += 1
        match code:
            case 0x20:
                [word] = struct.unpack_from("=I", data, operand)
            case 0x15:
                place += if_true if word == operand else if_false
            case 0x35:
                place += if_true if word >= operand else if_false
            case 0x06:
                return operand


@pytest.mark.parametrize("machine", AUDIT_ARCHITECTURE)
def test_exactly_the_named_calls_are_refused(machine):
    """Of a thousand call numbers those on the list are refused, those of other architectures all."""
    program, here = program_for(machine), AUDIT_ARCHITECTURE[machine]
    refused = {number for number in range(1000) if verdict(program, number, here, argument=1) != ALLOW}
    assert refused == {numbers[machine] for numbers in REFUSED.values() if machine in numbers}
    assert verdict(program, 1, 0x40000003) == REFUSE
    assert verdict(program, 0x40000001, here) == REFUSE


@pytest.mark.parametrize("machine", AUDIT_ARCHITECTURE)
def test_only_sockets_that_a_namespace_isolates_are_made(machine):
    """Sockets of the four families are allowed, all others are refused."""
    program, here = program_for(machine), AUDIT_ARCHITECTURE[machine]
    verdicts = {family: verdict(program, SOCKET[machine], here, argument=family) for family in range(64)}
    assert {family for family, given in verdicts.items() if given == ALLOW} == set(FAMILIES)
    assert set(verdicts.values()) == {ALLOW, REFUSE_FAMILY}


def test_other_machines_have_no_filter():
    """Where call numbers are not known, there is no filter rather than a wrong one."""
    assert program_for("riscv64") is None
