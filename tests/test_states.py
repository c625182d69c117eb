"""The transition table: whole, reachable, and without a way back from the dead."""

from __future__ import annotations

from fcm360w import states
from fcm360w.states import IDLE, STREAMING, TABLE, Cause, State


def reachable(start: State) -> set[State]:
    found, new = {start}, {start}
    while new:
        new = {after for (before, _), after in TABLE.items() if before in new} - found
        found |= new
    return found


def test_every_state_but_the_last_can_be_reached() -> None:
    assert reachable(State.COMMAND) == set(State) - {State.DEAD}


def test_every_state_leads_back_to_command() -> None:
    for state in set(State) - {State.DEAD}:
        assert State.COMMAND in reachable(state)


def test_nothing_leaves_dead_and_no_step_of_the_protocol_enters_it() -> None:
    assert State.DEAD not in {before for before, _ in TABLE}
    assert State.DEAD not in TABLE.values()


def test_every_cause_moves_something() -> None:
    assert {cause for _, cause in TABLE} == set(Cause)


def test_no_transition_stands_still() -> None:
    assert all(after is not before for (before, _), after in TABLE.items())


def test_what_is_waited_for_can_time_out() -> None:
    for state in (State.PENDING, State.LATE):
        assert TABLE[state, Cause.TIMED_OUT] is State.UNSURE
        assert TABLE[state, Cause.FINAL] is State.COMMAND


def test_commands_start_only_where_the_link_is_idle() -> None:
    assert {before for before, cause in TABLE if cause is Cause.SENT} == IDLE


def test_groups_are_apart() -> None:
    assert not STREAMING & IDLE
    assert State.DEAD not in STREAMING | IDLE


def test_every_state_is_explained() -> None:
    assert states.__doc__
    assert all(f"    {state.name} " in states.__doc__ for state in State)
