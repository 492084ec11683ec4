"""Cases of `tidings top` in a terminal. tty.py stands in front of it."""


class Broker:
    """A server to look at, which may be ended and started again in its place."""

    def __init__(self, program, port="0"):
        command = [program, "server", port, "--shards", "1"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        atexit.register(self.process.kill)
        first = self.process.stdout.readline()
        self.port = re.search(rb"listening on 127.0.0.1:(\d+)", first).group(1).decode()

    def connect(self, hello):
        client = socket.create_connection(("127.0.0.1", int(self.port)), timeout=DEADLINE)
        client.sendall(hello)
        return client

    def end(self):
        self.process.kill()
        self.process.wait()


def resize(columns, rows):
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def picture():
    """The rows that the terminal shows of a screen that was drawn since it was taken; empty if it was given back."""
    drawn = screen[screen.rfind(b"\x1b[?1049h") :]
    if not drawn or b"\x1b[?1049l" in drawn:
        return ""
    cells, row, column = {}, 1, 1
    for order, c in re.findall(r"\x1b\[([?\d;]*[a-zA-Z])|([^\x1b])", drawn.decode(errors="replace")):
        if order.endswith("H"):
            row, column = (int(number) for number in order[:-1].split(";"))
        elif order == "2J":
            cells = {}
        elif c:
            cells[row, column] = c
            column += 1
    rows = range(1, max((row for row, _ in cells), default=0) + 1)
    return "\n".join("".join(cells.get((row, column), " ") for column in range(1, 200)).rstrip() for row in rows)


def see(what):
    """Waits for words on the screen, with any number of blanks between them."""
    pattern = " +".join(re.escape(word) for word in what.split())
    until(what, lambda: re.search(pattern, picture()))


class Top(Program):
    def __init__(self, program, broker, *options):
        resize(80, 24)
        begin = len(screen)
        super().__init__([program, "top", "-s", f"127.0.0.1:{broker.port}", "-d", "100ms", *options])
        until("its screen", lambda: b"\x1b[?1049h" in screen[begin:])
        see("tidings 0")
        see("serving, up")
        if termios.tcgetattr(slave) == modes:
            sys.exit("the terminal is not in raw mode")


def check_left():
    """The screen that was there before is back, and the cursor."""
    until("the other screen", lambda: screen.rfind(b"\x1b[?1049l") > screen.rfind(b"\x1b[?1049h"))
    until("the cursor", lambda: screen.rfind(b"\x1b[?25h") > screen.rfind(b"\x1b[?25l"))
    check_modes()


def ends(program, end, expected):
    top = Top(program, Broker(program))
    end(top)
    top.check_end(expected)
    check_left()


def keys_do_what_they_say(program):
    broker = Broker(program)
    alice = broker.connect(b"sub sports/+ name=alice\n")
    broker.connect(b"sub name=bob\n")
    top = Top(program, broker)
    see("alice")
    see("bob")
    type_keys(b"/ALI")
    see("filter ALI")
    type_keys(b"\r")
    see("filter ALI 1")
    type_keys(b"k")
    see("Kick alice,")
    type_keys(b"y")
    see("kicked 0-0-0: alice at")
    until("the end of her connection", lambda: alice.recv(1000) == b"")
    type_keys(b"2")
    see("3 Shards by name")
    broker.connect(b"pub news/today\nfirst\n")
    see("news/today")
    type_keys(b"\t")
    see("answers")
    type_keys(b"?")
    see("Any key goes back")
    type_keys(b" q")
    top.check_end(0)
    check_left()


def is_stopped_and_goes_on(program):
    top = Top(program, Broker(program))
    for stop in [lambda: type_keys(b"\x1a"), lambda: os.kill(top.pid, signal.SIGTSTP)]:
        stop()
        if not os.WIFSTOPPED(top.status()):
            sys.exit("not stopped")
        check_left()
        begin = len(screen)
        os.kill(top.pid, signal.SIGCONT)
        until("the screen again", lambda: b"\x1b[?1049h" in screen[begin:])
        see("serving, up")
        see("q quit")
    # A shell whose job was stopped from outside sets the modes that it knows.
    os.kill(top.pid, signal.SIGSTOP)
    if not os.WIFSTOPPED(top.status()):
        sys.exit("not stopped")
    termios.tcsetattr(slave, termios.TCSANOW, modes)
    begin = len(screen)
    os.kill(top.pid, signal.SIGCONT)
    until("the screen again", lambda: b"\x1b[?1049h" in screen[begin:])
    see("serving, up")
    until("raw mode", lambda: termios.tcgetattr(slave) != modes)
    type_keys(b"q")
    top.check_end(0)
    check_left()


def takes_any_size(program):
    top = Top(program, Broker(program))
    for columns, rows in [(120, 40), (20, 5), (1, 1), (80, 24)]:
        resize(columns, rows)
        os.kill(top.pid, signal.SIGWINCH)
        until("a screen of that size", lambda: len(picture().split("\n")) == rows)
    type_keys(b"q")
    top.check_end(0)


def waits_for_a_server(program):
    broker = Broker(program)
    top = Top(program, broker)
    broker.end()
    see("no answer for")
    see("trying again")
    Broker(program, broker.port)
    see("answers again; it was started again")
    type_keys(b"q")
    top.check_end(0)


def has_no_colours(program):
    coloured = re.compile(rb"\x1b\[(\d+;)*(3[0-8]|4[0-8])(;\d+)*m")
    broker = Broker(program)
    for variable, is_coloured in [("", True), ("1", False)]:
        os.environ["NO_COLOR"] = variable
        begin = len(screen)
        top = Top(program, broker)
        see("q quit")
        type_keys(b"q")
        top.check_end(0)
        if bool(coloured.search(screen[begin:])) != is_coloured:
            sys.exit(f"NO_COLOR={variable}: {screen[begin:]!r}")
        # What stands for a colour then takes the mark off as well.
        if not is_coloured and re.search(rb"\x1b\[;?m[^\x1b]", screen[begin:]):
            sys.exit(f"colours are asked for: {screen[begin:]!r}")


case, program = sys.argv[1:]
if case == "quit":
    ends(program, lambda top: type_keys(b"q"), 0)
elif case == "ctrl-c":
    ends(program, lambda top: type_keys(b"\x03"), 130)
elif case == "sigterm":
    ends(program, lambda top: os.kill(top.pid, signal.SIGTERM), 143)
elif case == "keys":
    keys_do_what_they_say(program)
elif case == "stop":
    is_stopped_and_goes_on(program)
elif case == "sizes":
    takes_any_size(program)
elif case == "gone":
    waits_for_a_server(program)
elif case == "colours":
    has_no_colours(program)
else:
    sys.exit(f"no case {case}")
