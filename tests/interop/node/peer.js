// amqplib as a peer: as ../peer_pika.py, whose arguments and messages it takes.
"use strict";

const readline = require("node:readline");
const amqplib = require("amqplib");

const PATIENCE = 30_000;
// AMQP's names, and amqplib's.
const NAMES = {
  content_type: "contentType",
  priority: "priority",
  correlation_id: "correlationId",
  expiration: "expiration",
  message_id: "messageId",
  timestamp: "timestamp",
  type: "type",
  app_id: "appId",
};

function shown({ fields, properties, content }) {
  const named = Object.entries(NAMES).map(([name, theirs]) => [name, properties[theirs] ?? null]);
  const json = properties.contentType === "application/json";
  return JSON.stringify({
    key: fields.routingKey,
    properties: { ...Object.fromEntries(named), delivery_mode: properties.deliveryMode },
    headers: properties.headers ?? {},
    ...(json ? { json: JSON.parse(content.toString()) } : { hex: content.toString("hex") }),
  });
}

async function read(connection, exchange, count) {
  const channel = await connection.createChannel();
  const { queue } = await channel.assertQueue("", { exclusive: true });
  await channel.bindQueue(queue, exchange, "#");
  await new Promise((resolve, reject) => {
    const deadline = setTimeout(() => reject(new Error("nothing came")), PATIENCE);
    const take = (message) => {
      console.log(shown(message));
      channel.ack(message);
      count -= 1;
      if (count === 0) {
        clearTimeout(deadline);
        resolve();
      }
    };
    channel.consume(queue, take).then(() => console.log("ready"), reject);
  });
  await channel.close();
}

async function send(connection, exchange, count) {
  const channel = await connection.createConfirmChannel();
  let returned = false;
  channel.on("return", () => (returned = true));
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { key, properties, headers, json, hex } = JSON.parse(line);
    const options = { headers, mandatory: true };
    for (const [name, value] of Object.entries(properties)) {
      if (name === "delivery_mode") options.persistent = value === 2;
      else options[NAMES[name]] = value;
    }
    const body = json === undefined ? Buffer.from(hex, "hex") : Buffer.from(JSON.stringify(json));
    await new Promise((resolve, reject) =>
      channel.publish(exchange, key, body, options, (error) => (error ? reject(error) : resolve())),
    );
    if (returned) throw new Error("nobody wants it");
    console.log("confirmed");
    count -= 1;
    if (count === 0) break;
  }
  await channel.close();
}

async function main() {
  const [what, url, exchange, count] = process.argv.slice(2);
  const connection = await amqplib.connect(url, { timeout: PATIENCE });
  await { read, send }[what](connection, exchange, Number(count));
  await connection.close();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
