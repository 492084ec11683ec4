"""A terminal of its own for a program, and what is seen on it. It stands in front of a script of cases, which
run one: CASE PROGRAM... exits with 0 if the program did what it should, with 77 if this system does not let
the case happen.
"""

import atexit
import ctypes
import fcntl
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time

DEADLINE = 30
SKIPPED = 77

master, slave = pty.openpty()
modes = termios.tcgetattr(slave)
screen = b""


def start(command, foreground):
    """The program's process, with the terminal in front of it or, as behind `&`, without."""
    told, tell = os.pipe()
    if os.fork() == 0:
        # The shell of this terminal.
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        program = os.fork()
        if program == 0:
            os.setpgid(0, 0)
            if foreground:
                signal.signal(signal.SIGTTOU, signal.SIG_IGN)
                os.tcsetpgrp(slave, os.getpid())
                signal.signal(signal.SIGTTOU, signal.SIG_DFL)
            for number in range(3):
                os.dup2(slave, number)
            os.execv(command[0], command)
        os.write(tell, b"pid %d\n" % program)
        while True:
            _, status = os.waitpid(program, os.WUNTRACED)
            os.write(tell, b"status %d\n" % status)
            if not os.WIFSTOPPED(status):
                os._exit(0)
    os.close(tell)
    return os.fdopen(told)


def read_screen():
    global screen
    while True:
        screen += os.read(master, 65536)


def until(what, found):
    end = time.monotonic() + DEADLINE
    while not found():
        if time.monotonic() > end:
            sys.exit(f"never seen: {what}; screen: {screen[-500:]!r}")
        time.sleep(0.01)


def type_keys(keys):
    os.write(master, keys)


class Program:
    """One that runs in the terminal."""

    # Two readers of the screen would mix it up.
    is_watched = False

    def __init__(self, command, foreground=True):
        self.shell = start(command, foreground)
        if not Program.is_watched:
            threading.Thread(target=read_screen, daemon=True).start()
        Program.is_watched = True
        self.pid = int(self.shell.readline().split()[1])
        # One that outlives a failed case holds the pipe on which the test waits.
        atexit.register(os.kill, self.pid, signal.SIGKILL)

    def status(self):
        """What the shell is told next: that it is stopped, or has ended."""
        status = []
        threading.Thread(target=lambda: status.append(self.shell.readline()), daemon=True).start()
        until("the end", lambda: status)
        return int(status[0].split()[1])

    def check_end(self, expected):
        status = self.status()
        if os.WIFSTOPPED(status):
            sys.exit(f"stopped by signal {os.WSTOPSIG(status)}")
        atexit.unregister(os.kill)
        if os.waitstatus_to_exitcode(status) != expected:
            sys.exit(f"ended with {os.waitstatus_to_exitcode(status)}, not {expected}")
        check_modes()


def check_modes():
    if termios.tcgetattr(slave) != modes:
        sys.exit("the terminal is not as it was")
