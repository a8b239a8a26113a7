"""The clock behind every deadline: one thread, alarms in order, none that was cancelled."""

import os
import threading

import pytest

from release_tool.core.watchdog import CLOCK, AlarmClock


def test_alarms_sound_in_the_order_of_their_times_on_one_thread():
    clock, last = AlarmClock(), threading.Event()
    sounded, threads = [], set()

    def sound(name):
        def call():
            sounded.append(name)
            threads.add(threading.current_thread().name)
            if name == "third":
                last.set()

        return call

    clock.set(3600, sound("in an hour"))
    clock.set(0.03, sound("third"))
    clock.set(0.02, sound("second"))
    clock.set(0.01, sound("cancelled")).cancel()
    clock.set(-1, sound("first"))
    assert last.wait(30)
    assert sounded == ["first", "second", "third"]
    assert threads == {"alarm clock"}


def test_a_cancelled_alarm_holds_nothing_and_goes_when_its_time_comes():
    clock, done = AlarmClock(), threading.Event()
    for _ in range(100):
        clock.set(0.01, done.set).cancel()
    clock.set(0.02, done.set)
    assert done.wait(30)
    assert clock.alarms == []


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_has_a_clock_of_its_own():
    CLOCK.set(3600, threading.Event().set).cancel()
    pid = os.fork()
    if pid == 0:
        sounded = threading.Event()
        CLOCK.set(0, sounded.set)
        os._exit(0 if sounded.wait(30) else 1)
    assert os.waitpid(pid, 0)[1] == 0
