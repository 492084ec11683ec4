"""A subscriber that comes back and misses nothing: the recipe of docs/protocol/text.md.

Usage: comes_back.py HOST PORT FILTER

It prints the payload of each message once, and what was lost for good on stderr.
"""

import datetime
import json
import random
import socket
import sys
import time

# Of several publishers' messages, one with an earlier time may come after one with a later time.
SLACK = datetime.timedelta(seconds=1)


class Memory:
    """What was heard: the latest time, and the ids that may come again."""

    def __init__(self):
        self.latest = None
        self.ids = {}

    def is_new(self, message):
        if message["id"] in self.ids:
            return False
        at = datetime.datetime.fromisoformat(message["time"].replace("Z", "+00:00"))
        self.ids[message["id"]] = at
        if self.latest is None or at > self.latest:
            self.latest = at
            self.ids = {id: at for id, at in self.ids.items() if at >= self.latest - 2 * SLACK}
        return True


def listen(host, port, topics, memory, began):
    with socket.create_connection((host, port), timeout=10) as connection:
        connection.settimeout(None)
        since = ""
        if memory.latest is not None:
            since = " since=" + (memory.latest - SLACK).isoformat().replace("+00:00", "Z")
        elif began is not None:
            since = f" since={int(time.monotonic() - began) + 1}"
        connection.sendall(f"sub {topics} format=json{since}\n".encode())
        for line in connection.makefile("rb"):
            if line == b"terminate\n":
                return
            message = json.loads(line)
            if "gap" in message:
                print(f"{message['gap']} messages are lost", file=sys.stderr)
            elif memory.is_new(message):
                yield message


def main():
    host, port, topics = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    memory, began, pause = Memory(), None, 0.1
    while True:
        try:
            for message in listen(host, port, topics, memory, began):
                pause = 0.1
                print(message.get("payload", message.get("payload_b64")), flush=True)
        except OSError:
            pass
        began = began or time.monotonic()
        time.sleep(pause * random.uniform(0.5, 1))
        pause = min(2 * pause, 5)


if __name__ == "__main__":
    main()
