"""A client of the document "Communication System", as a reader of it would write one.

Usage: communication_system.py HOST PORT PUBLISHER|SUBSCRIBER

It says `pub` or `sub` first, and nothing else. A publisher hands each typed line to the socket
with one send and no newline; `terminate` is the last one. A subscriber shows whatever arrives
behind `Server: ` and leaves when it is told to.
"""

import socket
import sys


def publish(connection):
    while True:
        sys.stdout.write("PUB: ")
        sys.stdout.flush()
        typed = sys.stdin.readline()
        if not typed:
            return
        text = typed.rstrip("\n")
        if not text:
            continue
        connection.send(text.encode("utf-8"))
        if text == "terminate":
            return


def subscribe(connection):
    while True:
        arrived = connection.recv(1024)
        if not arrived:
            return
        text = arrived.decode("utf-8").strip()
        if text == "terminate":
            return
        print("Server: " + text, flush=True)


def main():
    host, port, role = sys.argv[1], int(sys.argv[2]), sys.argv[3].upper()
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.connect((host, port))
    if role == "PUBLISHER":
        connection.send(b"pub")
        publish(connection)
    else:
        connection.send(b"sub")
        subscribe(connection)
    connection.close()
    print("bye", flush=True)


main()
