"""One client of the web that hears, and publishes what it is told to on standard input.

    hears.py ws|sse|mqtt PORT FILTER

Prints `open` when its subscription stands, then `TOPIC WORD` for each message (the first word of its
payload) and `gap LOST` or `gap REASON` for each gap. A line `TOPIC TEXT` on standard input is published.
A stream of events that breaks is taken up again, as browsers do.
"""

import http.client
import json
import sys
import threading
import time
import urllib.parse

KIND, PORT, FILTER = sys.argv[1], int(sys.argv[2]), sys.argv[3]
SECONDS_MAX = 30


def say(*words):
    print(*words, flush=True)


def show(topic, text):
    say(topic, text.split(" ", 1)[0])


def show_gap(gap):
    say("gap", gap["reason"] if gap["lost"] is None else gap["lost"])


def published():
    for line in sys.stdin:
        yield line.rstrip("\n").split(" ", 1)


class WebSocket:
    def __init__(self):
        from websockets.sync.client import connect

        self.socket = connect(f"ws://127.0.0.1:{PORT}/ws", legacy=True, max_size=None)

    def hear(self):
        self.socket.send(json.dumps({"op": "subscribe", "sub": 1, "filters": [FILTER]}))
        for text in self.socket:
            said = json.loads(text)
            if "topic" in said:
                show(said["topic"], said["payload"])
            elif said["event"] == "gap":
                show_gap(said)
            elif said["event"] == "subscribed":
                say("open")

    def publish(self, topic, text):
        self.socket.send(json.dumps({"op": "publish", "topic": topic, "payload": text}))


class Events:
    def __init__(self):
        self.position, self.is_new, self.door = None, True, None

    def hear(self):
        while True:
            try:
                self.hear_once()
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.02)  # nobody may be there for a while

    def hear_once(self):
        import sseclient

        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=SECONDS_MAX)
        resumes = {"Last-Event-ID": self.position} if self.position else {}
        path = f"/t?filter={urllib.parse.quote(FILTER)}"
        connection.request("GET", path, headers={"Accept": "text/event-stream"} | resumes)
        response = connection.getresponse()
        if response.status != 200:
            sys.exit(f"{response.status} {response.read()}")
        pieces = iter(lambda: response.read1(65536), b"")
        for event in sseclient.SSEClient(pieces).events():
            self.take(event)

    def take(self, event):
        self.position = event.id or self.position
        said = json.loads(event.data)
        if event.event == "message":
            show(said["topic"], said["payload"])
        elif event.event == "gap":
            show_gap(said)
        elif event.event == "open" and self.is_new:
            self.is_new = False
            say("open")

    def publish(self, topic, text):
        self.door = self.door or http.client.HTTPConnection("127.0.0.1", PORT, timeout=SECONDS_MAX)
        self.door.request("POST", f"/t/{urllib.parse.quote(topic)}", text.encode())
        response = self.door.getresponse()
        if response.status != 200:
            sys.exit(f"{response.status} {response.read()}")
        response.read()


class Mqtt:
    def __init__(self):
        import paho.mqtt.client as mqtt

        version = mqtt.CallbackAPIVersion.VERSION2
        self.paho = mqtt.Client(version, "hears", transport="websockets", protocol=mqtt.MQTTv5)
        self.paho.on_message = self.on_message
        self.paho.on_subscribe = lambda *_: say("open")
        self.paho.connect("127.0.0.1", PORT)

    def hear(self):
        self.paho.subscribe(FILTER)
        self.paho.loop_forever()

    def on_message(self, _client, _data, message):
        gaps = [value for name, value in getattr(message.properties, "UserProperty", []) if name == "gap"]
        for lost in gaps:
            say("gap", lost)
        show(message.topic, message.payload.decode())

    def publish(self, topic, text):
        self.paho.publish(topic, text)


client = {"ws": WebSocket, "sse": Events, "mqtt": Mqtt}[KIND]()
threading.Thread(target=client.hear, daemon=True).start()
for topic, text in published():
    client.publish(topic, text)
threading.Event().wait(SECONDS_MAX)
