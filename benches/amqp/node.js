// amqplib as a peer of the bench: reads a line of JSON for each round, plays it, and writes what it took.
"use strict";

const readline = require("node:readline");
const amqplib = require("amqplib");

const WINDOW = 512;
const PREFETCH = 100;

async function connected(url, frameMax, play) {
  // Frames as large as everybody's.
  const connection = await amqplib.connect(`${url}?frameMax=${frameMax}`, { noDelay: true });
  try {
    return await play(connection);
  } finally {
    await connection.close();
  }
}

function watch() {
  const before = process.cpuUsage();
  const start = process.hrtime.bigint();
  return () => {
    const nanoseconds = Number(process.hrtime.bigint() - start);
    const { user, system } = process.cpuUsage(before);
    return { nanoseconds, processor: user + system };
  };
}

async function publish(connection, { exchange, bytes, messages, callers }) {
  const channel = await connection.createConfirmChannel();
  channel.on("return", () => {
    throw new Error("nobody wants it");
  });
  const body = Buffer.alloc(bytes, 7);
  let next = 0;
  const send = (done) => {
    const options = {
      persistent: true,
      mandatory: true,
      messageId: String(next++),
      type: "bench",
      contentType: "a/cbor",
    };
    channel.publish(exchange, "bench.reading", body, options, done);
  };
  const took = watch();
  if (callers === 0) await keepFull(messages, send);
  else await eachAwaits(callers, () => next < messages, send);
  const result = took();
  await channel.close();
  return result;
}

function keepFull(messages, send) {
  return new Promise((resolve, reject) => {
    let started = 0;
    let ended = 0;
    const done = (error) => {
      if (error) return reject(error);
      ended += 1;
      if (ended === messages) resolve();
      else if (started < messages) begin();
    };
    const begin = () => {
      started += 1;
      send(done);
    };
    while (started < Math.min(WINDOW, messages)) begin();
  });
}

function eachAwaits(callers, more, send) {
  const caller = async () => {
    while (more()) {
      await new Promise((resolve, reject) => send((error) => (error ? reject(error) : resolve())));
    }
  };
  return Promise.all(Array.from({ length: callers }, caller));
}

async function consume(connection, { exchange, messages }) {
  const channel = await connection.createChannel();
  await channel.prefetch(PREFETCH);
  const result = await new Promise((resolve, reject) => {
    let came = 0;
    let took;
    const take = (message) => {
      // From the first to the last.
      took ??= watch();
      came += 1;
      if (came % 50 === 0 || came === messages) channel.ack(message, true);
      if (came === messages) resolve(took());
    };
    channel.consume(exchange, take).catch(reject);
  });
  await channel.close();
  return result;
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const work = JSON.parse(line);
    const play = { publish, consume }[work.what];
    const frameMax = play === publish ? 32768 : 131072;
    const result = await connected(work.url, frameMax, (connection) => play(connection, work));
    console.log(JSON.stringify(result));
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
