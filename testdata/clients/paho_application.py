"""What applications do with paho-mqtt, of version 1 or 2, against the broker on a port.

    paho_application.py PORT 3.1.1|5 [websockets]

Ends with 0 if everything was as the standard says, and else with the first thing that was not.
"""

import sys
import threading
import time

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

PORT = int(sys.argv[1])
IS_5 = sys.argv[2] == "5"
TRANSPORT = sys.argv[3] if len(sys.argv) > 3 else "tcp"
SECONDS_MAX = 30


class Client:
    """One client with everything that it was told."""

    def __init__(self, client_id, clean=True, will=None, **connect_properties):
        version = mqtt.MQTTv5 if IS_5 else mqtt.MQTTv311
        arguments = {"client_id": client_id, "protocol": version, "transport": TRANSPORT}
        if not IS_5:
            arguments["clean_session"] = clean
        if hasattr(mqtt, "CallbackAPIVersion"):
            arguments["callback_api_version"] = mqtt.CallbackAPIVersion.VERSION1
        self.paho = mqtt.Client(**arguments)
        self.messages, self.subscribed, self.resumed, self.ended = [], 0, None, False
        self.changed = threading.Condition()
        self.paho.on_connect = self.on_connect
        self.paho.on_message = self.on_message
        self.paho.on_subscribe = self.on_subscribe
        self.paho.on_disconnect = self.on_disconnect
        if will:
            self.paho.will_set(will[0], will[1], qos=1)
        arguments = {"keepalive": 5}
        if IS_5:
            arguments["clean_start"] = clean
            arguments["properties"] = properties(PacketTypes.CONNECT, **connect_properties)
        self.paho.connect("127.0.0.1", PORT, **arguments)
        self.paho.loop_start()
        self.wait(lambda: self.resumed is not None, f"{client_id} connects")

    def on_connect(self, _client, _data, flags, _code, _properties=None):
        with self.changed:
            present = flags["session present"] if isinstance(flags, dict) else flags.session_present
            self.resumed = bool(present)
            self.changed.notify_all()

    def on_message(self, _client, _data, message):
        with self.changed:
            self.messages.append(message)
            self.changed.notify_all()

    def on_subscribe(self, *_):
        with self.changed:
            self.subscribed += 1
            self.changed.notify_all()

    def on_disconnect(self, *_):
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait(self, condition, what):
        with self.changed:
            if not self.changed.wait_for(condition, SECONDS_MAX):
                sys.exit(f"never seen: {what}; got {[shown(m) for m in self.messages]}")

    def subscribe(self, topic, **options):
        before = self.subscribed
        self.paho.subscribe(topic, **options)
        self.wait(lambda: self.subscribed > before, f"SUBACK for {topic}")

    def publish(self, topic, text, qos=1, retain=False, **more):
        sent = self.paho.publish(topic, text, qos, retain, **more)
        sent.wait_for_publish()

    def expect(self, *expected):
        """The messages so far, as `topic text`, and none besides."""
        self.wait(lambda: len(self.messages) >= len(expected), f"{expected}")
        got = [shown(message) for message in self.messages]
        check(got == list(expected), f"{got} is not {list(expected)}")
        self.messages.clear()

    def leave(self):
        self.paho.disconnect()
        self.wait(lambda: self.ended, "the end")
        self.paho.loop_stop()

    def crash(self):
        self.paho._sock_close()
        self.paho.loop_stop()


def properties(kind, **values):
    made = Properties(kind)
    for name, value in values.items():
        setattr(made, name, value)
    return made


def shown(message):
    return f"{message.topic} {message.payload.decode()}"


def check(holds, what):
    if not holds:
        sys.exit(what)


def retained():
    ann = Client("ann")
    ann.publish("kept/1", "one", retain=True)
    ann.publish("kept/2", "two", retain=True)
    ann.publish("kept/1", "", retain=True)
    bob = Client("bob")
    bob.subscribe("kept/#", qos=1)
    bob.wait(lambda: bob.messages, "what is retained")
    check(bob.messages[0].retain, "the retain flag")
    bob.expect("kept/2 two")
    ann.publish("kept/2", "", retain=True)
    bob.expect("kept/2 ")
    ann.leave()
    bob.leave()


def sessions():
    lasting = {"SessionExpiryInterval": 60} if IS_5 else {}
    first = Client("lasting", clean=True, **lasting) if IS_5 else Client("lasting", clean=False)
    check(not first.resumed, "a new session")
    first.subscribe("missed", qos=2)
    first.leave()
    ann = Client("ann")
    for number in range(20):
        ann.publish("missed", str(number), qos=1 + number % 2)
    second = Client("lasting", clean=False, **lasting)
    check(second.resumed, "a session that is resumed")
    second.wait(lambda: len(second.messages) == 20, "20 messages")
    # paho shows a message of QoS 2 when it is released: each quality in its own order.
    for quality in (1, 2):
        numbers = [int(m.payload) for m in second.messages if m.qos == quality]
        check(numbers == list(range(quality - 1, 20, 2)), f"QoS {quality}: {numbers}")
    second.messages.clear()
    third = Client("lasting", clean=False, **lasting)
    second.wait(lambda: second.ended, "a take-over")
    second.paho.loop_stop()
    ann.publish("missed", "taken over")
    third.expect("missed taken over")
    third.leave()
    ann.leave()


def wills():
    ann = Client("ann")
    ann.subscribe("wills/#", qos=1)
    Client("crashes", will=("wills/crashes", "gone")).crash()
    ann.expect("wills/crashes gone")
    Client("leaves", will=("wills/leaves", "gone")).leave()
    ann.publish("wills/end", "end")
    ann.expect("wills/end end")
    ann.leave()


def load():
    ann, bob = Client("ann"), Client("bob")
    bob.subscribe("load", qos=2)
    count = 2000
    for number in range(count):
        ann.paho.publish("load", str(number), qos=number % 3)
    bob.wait(lambda: len(bob.messages) == count, f"{count} messages")
    for quality in range(3):
        numbers = [int(m.payload) for m in bob.messages if m.qos == quality]
        check(numbers == list(range(quality, count, 3)), f"QoS {quality}: {numbers}")
    ann.leave()
    bob.leave()


def five():
    ann, bob = Client("ann"), Client("bob", ReceiveMaximum=2)
    for filter_, identifier, options in [
        ("with/#", 7, SubscribeOptions(qos=1, noLocal=True)),
        ("with/+", 9, SubscribeOptions(qos=0, retainAsPublished=True)),
    ]:
        named = properties(PacketTypes.SUBSCRIBE, SubscriptionIdentifier=identifier)
        bob.subscribe(filter_, options=options, properties=named)
    sent = properties(
        PacketTypes.PUBLISH,
        ContentType="text/plain",
        ResponseTopic="answers",
        CorrelationData=b"12",
        MessageExpiryInterval=100,
        PayloadFormatIndicator=1,
    )
    sent.UserProperty = [("k", "v"), ("k", "w")]
    ann.publish("with/1", "x", retain=True, properties=sent)
    bob.wait(lambda: bob.messages, "a message with properties")
    got = bob.messages[0].properties
    check(sorted(got.SubscriptionIdentifier) == [7, 9], got.SubscriptionIdentifier)
    check(got.UserProperty == [("k", "v"), ("k", "w")], got.UserProperty)
    check((got.ContentType, got.ResponseTopic) == ("text/plain", "answers"), got)
    check(90 <= got.MessageExpiryInterval <= 100, got.MessageExpiryInterval)
    check(bob.messages[0].retain and bob.messages[0].qos == 1, "retained as published, at QoS 1")
    bob.expect("with/1 x")
    bob.publish("with/2", "own")
    bob.wait(lambda: bob.messages, "its own message, by the filter that hears it")
    check(bob.messages[0].properties.SubscriptionIdentifier == [9], "one identifier")
    bob.expect("with/2 own")
    alias = properties(PacketTypes.PUBLISH, TopicAlias=3)
    ann.publish("with/alias", "1", properties=alias)
    ann.publish("", "2", properties=alias)
    bob.expect("with/alias 1", "with/alias 2")
    ann.publish("with/1", "", retain=True)
    ann.leave()
    bob.leave()


for part in [retained, sessions, wills, load] + ([five] if IS_5 else []):
    began = time.monotonic()
    part()
    print(f"{part.__name__}: {time.monotonic() - began:.2f} s", flush=True)
