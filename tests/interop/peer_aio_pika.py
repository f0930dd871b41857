"""aio-pika as a peer: as peer_pika.py, whose arguments and messages it takes."""

import asyncio
import datetime
import json
import sys

import aio_pika

PATIENCE = 30
# What aio-pika calls otherwise, or gives another type, is turned back into what AMQP says.
PROPERTIES = "content_type priority correlation_id message_id type app_id".split()


def properties_of(message):
    properties = {name: getattr(message, name) for name in PROPERTIES}
    properties["delivery_mode"] = int(message.delivery_mode)
    properties["timestamp"] = None if message.timestamp is None else int(message.timestamp.timestamp())
    # It gives seconds.
    properties["expiration"] = None if message.expiration is None else str(round(message.expiration * 1000))
    return properties


async def read(channel, exchange, count):
    queue = await channel.declare_queue(exclusive=True)
    await queue.bind(exchange, "#")
    print("ready", flush=True)
    async with queue.iterator(timeout=PATIENCE) as messages:
        async for incoming in messages:
            message = {
                "key": incoming.routing_key,
                "properties": properties_of(incoming),
                "headers": dict(incoming.headers),
            }
            if incoming.content_type == "application/json":
                message["json"] = json.loads(incoming.body)
            else:
                message["hex"] = incoming.body.hex()
            print(json.dumps(message), flush=True)
            await incoming.ack()
            count -= 1
            if count == 0:
                return


async def send(channel, exchange, count):
    for _ in range(count):
        message = json.loads(sys.stdin.readline())
        properties = message["properties"]
        if "expiration" in properties:
            properties["expiration"] = int(properties["expiration"]) / 1000
        if "timestamp" in properties:
            seconds = properties["timestamp"]
            properties["timestamp"] = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
        body = json.dumps(message["json"]).encode() if "json" in message else bytes.fromhex(message["hex"])
        outgoing = aio_pika.Message(body, headers=message["headers"], **properties)
        # It awaits the confirm, and raises for a message that nobody wants.
        await exchange.publish(outgoing, message["key"], mandatory=True, timeout=PATIENCE)
        print("confirmed", flush=True)


async def main():
    what, url, exchange, count = sys.argv[1:]
    connection = await aio_pika.connect(url, timeout=PATIENCE)
    async with connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        exchange = await channel.get_exchange(exchange)
        await {"read": read, "send": send}[what](channel, exchange, int(count))


asyncio.run(main())
