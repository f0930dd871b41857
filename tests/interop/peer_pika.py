"""pika as a peer: carries messages between RabbitMQ and lines of JSON. Knows nothing of what they mean.

    peer_pika.py read URL EXCHANGE COUNT    says "ready", then prints so many messages
    peer_pika.py send URL EXCHANGE COUNT    publishes so many from its input, and says "confirmed" after each

A message is {"key", "properties": {AMQP's names}, "headers", and "json" for a body of JSON or "hex" for any other}.
"""

import json
import sys

import pika

PATIENCE = 30
PROPERTIES = (
    "content_type delivery_mode priority correlation_id expiration message_id timestamp type app_id".split()
)


def read(channel, exchange, count):
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, exchange, "#")
    print("ready", flush=True)
    for method, properties, body in channel.consume(queue, inactivity_timeout=PATIENCE):
        if method is None:
            sys.exit("nothing came")
        message = {
            "key": method.routing_key,
            "properties": {name: getattr(properties, name) for name in PROPERTIES},
            "headers": properties.headers or {},
        }
        if properties.content_type == "application/json":
            message["json"] = json.loads(body)
        else:
            message["hex"] = body.hex()
        print(json.dumps(message), flush=True)
        channel.basic_ack(method.delivery_tag)
        count -= 1
        if count == 0:
            return


def send(channel, exchange, count):
    channel.confirm_delivery()
    for _ in range(count):
        message = json.loads(sys.stdin.readline())
        properties = pika.BasicProperties(headers=message["headers"], **message["properties"])
        body = json.dumps(message["json"]).encode() if "json" in message else bytes.fromhex(message["hex"])
        # Mandatory: it raises if nobody is there to get it, and if it is not confirmed.
        channel.basic_publish(exchange, message["key"], body, properties, mandatory=True)
        print("confirmed", flush=True)


def main():
    what, url, exchange, count = sys.argv[1:]
    parameters = pika.URLParameters(url)
    parameters.socket_timeout = PATIENCE
    connection = pika.BlockingConnection(parameters)
    {"read": read, "send": send}[what](connection.channel(), exchange, int(count))
    connection.close()


main()
