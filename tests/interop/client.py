"""A client in another language: what it reads of a mirrored event, and what it must send.

    client.py read URL EXCHANGE KEY     binds a queue to KEY, says "ready", prints what comes first as JSON
    client.py send URL EXCHANGE KEY     publishes the JSON object on its standard input

Only pika, and CBOR by hand: what is here is all that a foreign client has to know.
"""

import json
import struct
import sys
import uuid

import pika

PATIENCE = 30


def cbor(value):
    """CBOR (RFC 8949) of JSON's types."""
    if value is None:
        return b"\xf6"
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, float):
        return b"\xfb" + struct.pack(">d", value)
    if isinstance(value, str):
        text = value.encode()
        return head(3, len(text)) + text
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(cbor, value))
    pairs = (cbor(key) + cbor(item) for key, item in value.items())
    return head(5, len(value)) + b"".join(pairs)


def head(major, number):
    for small, code, form in ((24, None, None), (1 << 8, 24, ">B"), (1 << 16, 25, ">H"), (1 << 32, 26, ">I")):
        if number < small:
            if form is None:
                return bytes([major << 5 | number])
            return bytes([major << 5 | code]) + struct.pack(form, number)
    return bytes([major << 5 | 27]) + struct.pack(">Q", number)


def uncbor(body):
    value, end = item(body, 0)
    assert end == len(body), "bytes after the end"
    return value


def item(body, at):
    major, info = body[at] >> 5, body[at] & 31
    at += 1
    if major == 7 and info >= 20:
        if info in (20, 21):
            return info == 21, at
        if info in (22, 23):
            return None, at
        form, size = {25: (">e", 2), 26: (">f", 4), 27: (">d", 8)}[info]
        return struct.unpack_from(form, body, at)[0], at + size
    if info < 24:
        number = info
    else:
        form, size = {24: (">B", 1), 25: (">H", 2), 26: (">I", 4), 27: (">Q", 8)}[info]
        number = struct.unpack_from(form, body, at)[0]
        at += size
    if major == 0:
        return number, at
    if major == 1:
        return -1 - number, at
    if major in (2, 3):
        text = body[at : at + number]
        return (text if major == 2 else text.decode()), at + number
    if major == 4:
        items = []
        for _ in range(number):
            value, at = item(body, at)
            items.append(value)
        return items, at
    assert major == 5, f"major type {major}"
    pairs = {}
    for _ in range(number):
        key, at = item(body, at)
        pairs[key], at = item(body, at)
    return pairs, at


def read(channel, exchange, key):
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, exchange, key)
    print("ready", flush=True)
    for method, properties, body in channel.consume(queue, auto_ack=True, inactivity_timeout=PATIENCE):
        if method is None:
            sys.exit("nothing came")
        print(
            json.dumps(
                {
                    "key": method.routing_key,
                    "type": properties.type,
                    "message_id": properties.message_id,
                    "content_type": properties.content_type,
                    "app_id": properties.app_id,
                    "correlation_id": properties.correlation_id,
                    "priority": properties.priority,
                    "delivery_mode": properties.delivery_mode,
                    "timestamp": properties.timestamp,
                    "headers": properties.headers,
                    "event": uncbor(body),
                }
            ),
            flush=True,
        )
        return


def send(channel, exchange, key):
    message = json.load(sys.stdin)
    channel.confirm_delivery()
    properties = pika.BasicProperties(
        type=message["type"],
        message_id=message.get("message_id", str(uuid.uuid4())),
        content_type="application/cbor",
        app_id="pika",
        delivery_mode=2,
    )
    # Mandatory: it raises if nobody is there to get it.
    channel.basic_publish(exchange, key, cbor(message["event"]), properties, mandatory=True)
    print("confirmed", flush=True)


def main():
    what, url, exchange, key = sys.argv[1:]
    parameters = pika.URLParameters(url)
    parameters.socket_timeout = PATIENCE
    connection = pika.BlockingConnection(parameters)
    {"read": read, "send": send}[what](connection.channel(), exchange, key)
    connection.close()


main()
