"""What applications do with `websockets` at /ws of the broker on a port.

    websocket_application.py PORT

Ends with 0 if everything was as docs/protocol/websocket.md says, and else with the first thing that was not.
The last part prints `waits for the end` and waits until the server shuts down.
"""

import json
import sys
import time

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

PORT = int(sys.argv[1])
SECONDS_MAX = 30


class Client:
    def __init__(self, **options):
        self.socket = connect(f"ws://127.0.0.1:{PORT}/ws", legacy=True, max_size=None, **options)

    def say(self, **words):
        self.socket.send(json.dumps(words))

    def hear(self):
        return json.loads(self.socket.recv(timeout=SECONDS_MAX))

    def subscribe(self, sub, *filters, **more):
        self.say(op="subscribe", sub=sub, filters=filters, **more)
        told = self.hear()
        check((told["event"], told["sub"]) == ("subscribed", sub), told)
        return told["position"]

    def publish(self, topic, payload, ref, **more):
        self.say(op="publish", topic=topic, payload=payload, ref=ref, **more)

    def closes(self, code, reason=""):
        """It is closed in this way, and says nothing before."""
        try:
            check(False, self.socket.recv(timeout=SECONDS_MAX))
        except ConnectionClosed as closed:
            check((closed.rcvd.code, reason in closed.rcvd.reason) == (code, True), closed)


def check(holds, what):
    if not holds:
        sys.exit(f"{what!r}")


def talk():
    ann = Client()
    ann.subscribe(1, "sports/#", "news")
    ann.publish("sports/a", "Goal!", 7)
    told = sorted([ann.hear(), ann.hear()], key=lambda said: "topic" in said)
    check((told[0]["event"], told[0]["ref"]) == ("published", 7), told)
    check((told[1]["topic"], told[1]["payload"]) == ("sports/a", "Goal!"), told)
    check(told[0]["id"] == told[1]["id"], told)
    ann.say(op="publish", topic="news", payload_b64="/wA=")
    told = ann.hear()
    check((told["payload_b64"], "payload" in told) == ("/wA=", False), told)
    ann.publish("a/#", "x", 8)
    check(ann.hear()["event"] == "error", "no topic")
    ann.say(op="unsubscribe", sub=1)
    check(ann.hear() == {"event": "unsubscribed", "sub": 1}, "unsubscribed")
    ann.socket.close()
    check(ann.socket.close_code == 1000, ann.socket.close_code)


def resume():
    ann, bob = Client(), Client()
    ann.subscribe(1, "resume/#")
    heard, position, sent = [], None, 0
    for round in range(20):
        for number in range(sent, sent + 25):
            bob.publish(f"resume/{number % 3}", str(number), number)
        sent += 25
        # Somewhere among them, without a goodbye.
        for _ in range(round):
            said = ann.hear()
            heard.append(int(said["payload"]))
            position = said["position"]
        ann.socket.socket.close()
        ann = Client()
        ann.say(op="subscribe", sub=1, filters=["resume/#"], after=position or "")
        told = ann.hear()
        check(told["event"] == "subscribed", told)
        if position is None:
            check(ann.hear()["reason"] == "unknown", "nothing was heard before")
            position = told["position"]
            heard = list(range(sent))
    while len(heard) < sent:
        said = ann.hear()
        check("topic" in said, said)
        heard.append(int(said["payload"]))
    check(heard == list(range(sent)), heard)


def fragments_and_pings():
    ann = Client()
    ann.subscribe(1, "pieces")
    text = json.dumps({"op": "publish", "topic": "pieces", "payload": "é" * 30_000}, ensure_ascii=False)
    ann.socket.send(text[at : at + 997] for at in range(0, len(text), 997))
    check(ann.hear()["payload"] == "é" * 30_000, "a message in fragments")
    pongs = [ann.socket.ping() for _ in range(10)]
    check(all(pong.wait(SECONDS_MAX) for pong in pongs[-1:]), "a pong for the last ping")
    # The longest message, and it comes back whole.
    ann.publish("pieces", "x" * (1 << 20), 1)
    told = sorted([ann.hear(), ann.hear()], key=lambda said: "topic" in said)
    check(len(told[1]["payload"]) == 1 << 20, "the longest message")
    ann.publish("pieces", "x" * ((1 << 20) + 1), 2)
    told = ann.hear()
    check((told["event"], told["ref"]) == ("error", 2), told)


def close_codes():
    for said, code, reason in [
        ("hello", 1008, "expected value"),
        ('{"op":"dance"}', 1008, "unknown variant"),
        (b"\x00", 1003, "text frames"),
        ('{"op":"publish","topic":"a","payload":"' + "x" * (3 << 20) + '"}', 1009, ""),
    ]:
        ann = Client()
        try:
            ann.socket.send(said)
        except ConnectionClosed:
            pass  # it was refused at its head
        ann.closes(code, reason)


def the_end():
    ann = Client()
    ann.subscribe(1, "#")
    print("waits for the end", flush=True)
    ann.closes(1001, "shutdown")


for part in [talk, resume, fragments_and_pings, close_codes, the_end]:
    began = time.monotonic()
    part()
    print(f"{part.__name__}: {time.monotonic() - began:.2f} s", flush=True)
