"""A client of the document "Multi-Client Pub/Sub", as a reader of it would write one.

Usage: multi_client.py HOST PORT

It waits for the server to ask, shows the question, and answers with the typed role, without a
newline. A publisher sends each typed line with one send. A subscriber listens in a thread of its
own, 1024 bytes at a time, until Ctrl+C or the end of the connection.
"""

import socket
import sys
import threading
import time


def show(text):
    sys.stdout.write(text)
    sys.stdout.flush()


def listen(connection):
    while True:
        try:
            arrived = connection.recv(1024)
            if not arrived:
                break
            show("\n" + arrived.decode("utf-8"))
        except OSError:
            break
    show("\nconnection closed\n")


def publish(connection):
    while True:
        show("\n> ")
        typed = sys.stdin.readline()
        if not typed:
            break
        text = typed.rstrip("\n")
        connection.send(text.encode("utf-8"))
        if text == "terminate":
            break
        show("message sent\n")


def subscribe(connection):
    listener = threading.Thread(target=listen, args=(connection,))
    listener.daemon = True
    listener.start()
    try:
        while listener.is_alive():
            time.sleep(0.05)
    except KeyboardInterrupt:
        show("\nleaving\n")


def main():
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.connect((sys.argv[1], int(sys.argv[2])))
    show(connection.recv(1024).decode("utf-8"))
    role = sys.stdin.readline().strip().upper()
    connection.send(role.encode("utf-8"))
    show("\nregistered as " + role + "\n")
    if role == "PUBLISHER":
        publish(connection)
    elif role == "SUBSCRIBER":
        subscribe(connection)
    connection.close()


main()
