"""Cases of a server in a terminal: what only happens there. tty.py stands in front of it."""

PROMPT = b"Enter your role (PUBLISHER/SUBSCRIBER) : "


class Server(Program):
    def __init__(self, command, foreground=True):
        super().__init__(command, foreground)
        until("the port", lambda: re.search(rb"listening on 127.0.0.1:(\d+)\r", screen))
        self.port = int(re.search(rb"listening on 127.0.0.1:(\d+)", screen).group(1))

    def connect(self, text):
        client = socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE)
        client.sendall(text)
        return client


def stopped(command, number):
    """Somebody has stopped the terminal's output while a line is edited, and much is to be shown."""
    server = Server(command)
    until("the prompt", lambda: b"tidings> " in screen)
    termios.tcflow(slave, termios.TCOOFF)
    for _ in range(100):
        server.connect(b"pub\n" + b"x" * 1000 + b"\nterminate\n").recv(1)
    os.kill(server.pid, number)
    server.check_end(0)


def stopped_while_draining(command):
    """Ctrl+S after `exit`, when the terminal is back in its own modes."""
    server = Server(command)
    until("the prompt", lambda: b"tidings> " in screen)
    reader = server.connect(b"sub\n")
    until("the subscriber", lambda: b"Role: SUBSCRIBER" in screen)
    # Far more than the kernel takes for a reader that does not read.
    sender = server.connect(b"pub ack=1\n" + (b"x" * 100_000 + b"\n") * 120)
    answers = b""
    while len(answers) < 120 * len(b"OK\n"):
        answers += sender.recv(1000)
    type_keys(b"exit\r")
    until("the last prompt", lambda: b"shutting down" in screen)
    # Longer than what counts as one request to end.
    time.sleep(0.7)
    type_keys(b"\x13")
    sender.close()
    os.kill(server.pid, signal.SIGTERM)
    server.check_end(128 + signal.SIGTERM)
    reader.close()


def commands(command):
    """What an operator types, as people type it."""
    server = Server(command)
    until("the page", lambda: b"in a browser: http://localhost:%d/" % server.port in screen)
    until("the prompt", lambda: b"tidings> " in screen)
    reader = server.connect(b"sub name=eve\n")
    until("the subscriber", lambda: b"Role: SUBSCRIBER" in screen)
    type_keys(b"STATUS\r")
    until("the status", lambda: b"subscribers 1, " in screen)
    type_keys(b"kick\r")
    until("how to kick", lambda: b"kick ID" in screen)
    type_keys(b"Kick 0-99-0\r")
    until("that there is nobody", lambda: b"nobody has the ID 0-99-0" in screen)
    ident = re.search(rb"Role: SUBSCRIBER, topic #, id (\S+)\r", screen).group(1)
    type_keys(b"kick " + ident + b"\r")
    until("who was kicked", lambda: re.search(rb"kicked eve@127.0.0.1:\d+\r", screen))
    until("the end of the line", lambda: reader.recv(1000) == b"")
    type_keys(b"quit\r")
    server.check_end(0)


def in_the_background(command):
    """`tidings server &`: serves, and leaves the terminal alone."""
    server = Server(command, foreground=False)
    reader = server.connect(b"sub\n")
    until("the subscriber", lambda: b"Role: SUBSCRIBER" in screen)
    server.connect(b"pub\nserved\n")
    got = b""
    while not got.endswith(b"served\n"):
        got += reader.recv(1000)
    os.kill(server.pid, signal.SIGTERM)
    server.check_end(0)


def status():
    """What both shards answer to an operator."""
    begin = len(screen)
    type_keys(b"status\r")
    until("the status", lambda: re.search(rb"of it history \d+\r", screen[begin:]))
    return screen[begin:]


class Frozen:
    """One thread of a process stands still while the others run: a debugger holds it where it
    waits for something to do, and not where it may hold a lock that the others need."""

    SEIZE, INTERRUPT, DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000
    # epoll_wait and epoll_pwait, on x86-64 and on 64-bit ARM.
    WAITING = ["232", "281", "22"]

    def __init__(self, pid, name):
        tasks = f"/proc/{pid}/task"
        self.thread = next(int(t) for t in os.listdir(tasks) if open(f"{tasks}/{t}/comm").read().strip() == name)
        until("a thread that waits", lambda: self.stop() or self.thaw())

    def stop(self):
        """Whether it waits; it stands still in any case."""
        self.ask(self.SEIZE)
        self.ask(self.INTERRUPT)
        os.waitpid(self.thread, self.WALL)
        return open(f"/proc/{self.thread}/syscall").read().split()[0] in self.WAITING

    def ask(self, request):
        libc = ctypes.CDLL(None, use_errno=True)
        libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        libc.ptrace.restype = ctypes.c_long
        if libc.ptrace(request, self.thread, None, None) != 0:
            print(f"ptrace: {os.strerror(ctypes.get_errno())}", file=sys.stderr)
            sys.exit(SKIPPED)

    def thaw(self):
        self.ask(self.DETACH)


def hear(client, expected):
    """Reads from a client exactly what is expected."""
    got = b""
    while len(got) < len(expected):
        more = client.recv(len(expected) - len(got))
        if not more:
            sys.exit(f"the end after {got!r}")
        got += more
    if got != expected:
        sys.exit(f"{got!r}, not {expected!r}")


def type_and_see(keys, pattern):
    """Types a command and waits for what is shown from then on."""
    begin = len(screen)
    type_keys(keys)
    until(pattern, lambda: re.search(pattern, screen[begin:]))


def is_listed(pattern):
    """Whether somebody is in the list of the shard that answers."""
    begin = len(screen)
    type_keys(b"clients\r")
    until("the answer", lambda: b"does not answer" in screen[begin:])
    return re.search(pattern, screen[begin:])


def first_greeted(clients):
    """Whoever of them is asked for a role first."""
    greeted = []
    until("a prompt", lambda: greeted.extend(select.select(clients, [], [], 0)[0]) or greeted)
    return greeted[0]


def is_greeted_before_the_answer(server):
    """Whether somebody is greeted who connects while a question waits for a shard: unless this
    machine is busy, that comes long before the question is answered without it."""
    begin = len(screen)
    type_keys(b"clients\r")
    until("the command", lambda: b"clients" in screen[begin:])
    first_greeted([server.connect(b"") for _ in range(4)])
    in_time = b"does not answer" not in screen[begin:]
    until("the answer", lambda: b"does not answer" in screen[begin:])
    return in_time


def a_shard_hangs(command):
    """Of two shards one stands still: the other one serves, and the operator is told."""
    server = Server(command)
    until("the prompt", lambda: b"tidings> " in screen)
    reader = server.connect(b"SUBSCRIBER a\n")
    until("a subscriber on shard 0", lambda: b"Role: SUBSCRIBER, topic a, id 0-" in screen)
    # It goes to the shard where it is heard.
    sender = server.connect(b"pub a ack=1\nbefore\n")
    hear(sender, b"OK\n")
    head = b"[a | FROM 127.0.0.1:%d] : " % sender.getsockname()[1]
    hear(reader, head + b"before\n")
    frozen = Frozen(server.pid, "shard-1")
    type_and_see(b"status\r", rb"shard 1 does not answer")
    # Accepting goes on, and those on the other shard are greeted, while an answer is waited for.
    until("a prompt before the answer", lambda: is_greeted_before_the_answer(server))
    newcomers = [server.connect(b"") for _ in range(6)]
    late = first_greeted(newcomers)
    hear(late, PROMPT)
    # What is published there is accepted and delivered.
    sender.sendall(b"meanwhile\n")
    hear(sender, b"OK\n")
    hear(reader, head + b"meanwhile\n")
    # A subscription does not stand before every shard has noted it, and nobody says that it does.
    late.sendall(b"SUBSCRIBER b\n")
    # Its shard may be asked before it has read that.
    until("the row of a subscriber", lambda: is_listed(rb"SUB .* b\r"))
    type_and_see(b"clients\r", rb"SUB .* b\r")
    if select.select([late], [], [], 0)[0]:
        sys.exit(f"it is told {late.recv(1000)!r} while a shard does not answer")
    frozen.thaw()
    hear(late, b"Waiting for messages...\n")
    for client in newcomers:
        if client is not late:
            hear(client, PROMPT)
    # Both answer, and nobody is missing or left over.
    until("everybody", lambda: b"publishers 1, subscribers 2, MQTT clients 0, others 5, " in status())
    sender = server.connect(b"pub b\nafter\n")
    hear(late, b"[b | FROM 127.0.0.1:%d] : after\n" % sender.getsockname()[1])
    type_keys(b"quit\r")
    server.check_end(0)


case, command = sys.argv[1], sys.argv[2:]
if case == "stopped-term":
    stopped(command, signal.SIGTERM)
elif case == "stopped-int":
    stopped(command, signal.SIGINT)
elif case == "stopped-while-draining":
    stopped_while_draining(command)
elif case == "commands":
    commands(command)
elif case == "in-the-background":
    in_the_background(command)
elif case == "a-shard-hangs":
    a_shard_hangs(command)
else:
    sys.exit(f"no case {case}")
