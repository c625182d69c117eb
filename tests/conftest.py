"""Shared by all tests: Hypothesis profiles, interrupts, the twins' dialect, and the rule about skips."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import settings

import spoken

CI = os.environ.get("CI", "").lower() in ("1", "true")

settings.register_profile("dev", deadline=None, max_examples=50)
settings.register_profile("quick", deadline=None, max_examples=50, derandomize=True, database=None)
settings.register_profile("ci", deadline=None, max_examples=100, derandomize=True, database=None)
settings.register_profile("long", deadline=None, max_examples=20_000, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if CI else "dev"))

# What a shell runs in the background ignores SIGINT, and hands that on to every program that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# In CI a test may be skipped only for want of a device or of an operating system.
ALLOWED = ("hardware:", "platform:")
unexcused = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("twin", "the twins of tests that judge the driver; others are not run")
    group.addoption("--twin-dialect", default="manual", metavar="NAME", help="dialect that they speak")
    group.addoption("--twin-quirk", action="append", default=[], metavar="NAME", help="a quirk of theirs")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "driver: judges the driver, whatever dialect the twin speaks")
    try:
        spoken.choose(config.getoption("--twin-dialect"), tuple(config.getoption("--twin-quirk")))
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error
    config.stash[unexcused] = []
    config.pluginmanager.register(SkipRule(config.stash[unexcused]), "skip-rule")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if spoken.departs():
        others = [item for item in items if item.get_closest_marker("driver") is None]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item.get_closest_marker("driver")]


class SkipRule:
    """Collects every skip that CI does not excuse, and fails the run for it."""

    def __init__(self, found: list[str]) -> None:
        self.found = found

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self.judge(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.judge(report)

    def judge(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not reason.removeprefix("Skipped: ").startswith(ALLOWED):
            self.found.append(f"{report.nodeid}: {reason}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if CI and self.found and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if CI and self.found:
            terminalreporter.section("skips that CI does not excuse")
            for line in self.found:
                terminalreporter.line(line, red=True)
