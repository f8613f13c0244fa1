import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import * as net from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { Kafka } from "kafkajs";
import { brokerAddresses } from "../../lib/kafka/address.ts";
import { KafkaSource } from "../../lib/kafka/source.ts";
import { createCluster, kafkaClient } from "../../lib/kafka/client.ts";
import { Answers } from "../../lib/kafka/socket.ts";
import { freePorts } from "./broker.ts";

Deno.test("createCluster() still finds what it uses behind kafkajs' interface", async () => {
  const cluster = createCluster(await kafkaClient("127.0.0.1:1"));
  const used = [
    ...["connect", "disconnect", "refreshMetadata", "addTargetTopic", "findBroker"],
    ...["findTopicPartitionMetadata", "fetchTopicsOffset"],
  ];
  for (const name of used) assert.equal(typeof Reflect.get(cluster, name), "function", name);
  const { pool } = await cluster.connectionPoolBuilder.build({ host: "127.0.0.1", port: 1 });
  assert.equal(pool.length, 2, "one connection of the two is for Fetch");
  for (const name of ["connect", "disconnect", "send", "processData"]) {
    assert.equal(typeof Reflect.get(pool[0]!, name), "function", name);
  }
});

Deno.test("createCluster() says which kafkajs it expects when there is another", () => {
  const other = Object.create(Kafka.prototype);
  assert.throws(() => createCluster(other), {
    name: "TypeError",
    message: /expected kafkajs 2\.2\.4/,
  });
});

Deno.test("an idle connection sets no timer, and a full one does", async () => {
  const cluster = createCluster(await kafkaClient("127.0.0.1:1"));
  const { pool } = await cluster.connectionPoolBuilder.build({ host: "127.0.0.1", port: 1 });
  const queue = pool[0]!.requestQueue;
  queue.scheduleCheckPendingRequests();
  assert.equal(Reflect.get(queue, "throttleCheckTimeoutId"), null);
  Reflect.set(queue, "pending", [{}]);
  queue.scheduleCheckPendingRequests();
  assert.notEqual(Reflect.get(queue, "throttleCheckTimeoutId"), null);
  Reflect.get(queue, "destroy").call(queue);
});

Deno.test("two requests at once on a closed connection open one socket", async () => {
  let sockets = 0;
  const server = net.createServer(() => sockets++);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  const cluster = createCluster(await kafkaClient(`127.0.0.1:${port}`));
  const { pool } = await cluster.connectionPoolBuilder.build({ host: "127.0.0.1", port });
  await Promise.all([pool[1]!.connect(), pool[1]!.connect(), pool[1]!.connect()]);
  assert.equal(sockets, 1);
  await pool[1]!.disconnect();
  await new Promise((resolve) => server.close(resolve));
});

Deno.test("closing a connection again, as each retry does, leaves the closed socket alone", async () => {
  const [port] = freePorts(1);
  const cluster = createCluster(await kafkaClient(`127.0.0.1:${port}`));
  const { pool } = await cluster.connectionPoolBuilder.build({ host: "127.0.0.1", port: port! });
  const refused = pool[0]!.connect();
  const socket = pool[0]!.socket as net.Socket;
  await assert.rejects(refused, /ECONNREFUSED/);
  await pool[0]!.disconnect();
  const listeners = socket.listenerCount("connect");
  await pool[0]!.disconnect();
  assert.equal(socket.listenerCount("connect"), listeners);
});

Deno.test("a peer that is not Kafka gives one clear error and does not end the process", async () => {
  const answers = {
    "a short frame": [0, 0, 0, 1, 9],
    "a frame of negative size": [0xff, 0xff, 0xff, 0xf0, 0, 0, 0, 0],
    "a frame of another protocol": [0, 0, 0, 12, 0, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9],
    "HTTP": [...new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n")],
    "nothing": [],
  };
  await Promise.all(
    Object.entries(answers).map(async ([peer, answer]) => {
      const server = net.createServer((socket) => {
        socket.on("error", () => {}); // the client hangs up
        socket.once("data", () => socket.end(new Uint8Array(answer)));
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as net.AddressInfo;
      await assert.rejects(
        KafkaSource.open(`127.0.0.1:${port}`, "transactions"),
        new RegExp(`Cannot read Kafka topic transactions at 127.0.0.1:${port}: .* Check that`, "s"),
        peer,
      );
      await new Promise((resolve) => server.close(resolve));
    }),
  );
});

Deno.test("open() names the address when nothing listens there", async () => {
  const [port] = freePorts(1);
  await Promise.all([`127.0.0.1:${port}`, `[::1]:${port}`].map((address) =>
    assert.rejects(
      KafkaSource.open(address, "transactions"),
      ({ message }: Error) =>
        message.includes(`at ${address}: `) &&
        /ECONNREFUSED.*Check that the broker runs/.test(message),
    )
  ));
});

Deno.test("a connection that this program may not make is not tried again", {
  permissions: { net: false, env: "inherit", read: "inherit", sys: "inherit", ffi: "inherit" },
}, async () => {
  const timeout = new AbortController();
  const tries = delay(6_000, "tried again", { signal: timeout.signal }); // tries go on for 8 s
  const opening = KafkaSource.open("127.0.0.1:1", "t").then(() => "open", (error) => error.message);
  assert.match(await Promise.race([opening, tries]), /at 127\.0\.0\.1:1: .*Requires net access/);
  timeout.abort();
  await assert.rejects(tries);
});

Deno.test("an address is a host and a port, in brackets if it is IPv6", () => {
  const read: [string, [string, number][]][] = [
    ["127.0.0.1:9092", [["127.0.0.1", 9092]]],
    [" a.example:1 , b_2.example:65535", [["a.example", 1], ["b_2.example", 65_535]]],
    ["[::1]:9093,[fe80::1%eth0]:9094", [["::1", 9093], ["fe80::1%eth0", 9094]]],
    ["localhost,[::1]", [["localhost", 9092], ["::1", 9092]]], // Kafka's own port
  ];
  for (const [text, expected] of read) {
    assert.deepEqual(brokerAddresses(text).map(({ host, port }) => [host, port]), expected);
  }
  const refused = [
    "",
    "a:",
    "a:x",
    "a:0",
    "a:65536",
    "a:9092,",
    ",a",
    "::1",
    "::1:9092",
    "[::1",
    "a b:1",
  ];
  for (const text of [...refused, "PLAINTEXT://a:9092", "user@a:1", "[a]:1:2", "*"]) {
    assert.throws(() => brokerAddresses(text), {
      name: "SyntaxError",
      message: /should be HOST:PORT such as 127\.0\.0\.1:9092 or \[::1\]:9092/,
    }, text);
  }
});

Deno.test("KAFKA_SASL_MECHANISM is refused if kafkajs has no such login", async () => {
  Deno.env.set("KAFKA_SASL_MECHANISM", "gssapi");
  try {
    await assert.rejects(kafkaClient("127.0.0.1:1"), {
      name: "RangeError",
      message: /must be plain, scram-sha-256 or scram-sha-512, got gssapi/,
    });
  } finally {
    Deno.env.delete("KAFKA_SASL_MECHANISM");
  }
});

Deno.test("Answers joins what is read to whole answers, wherever it was split", () => {
  const answers = [[1, 2, 3], [], [4], Array(300).fill(5)].map((body) =>
    Buffer.from([0, 0, body.length >> 8, body.length & 0xff, ...body])
  );
  const stream = Buffer.concat(answers);
  for (let size = 1; size <= stream.length; size++) {
    const given: Buffer[] = [];
    const joined = new Answers((answer) => given.push(answer));
    const read = new Uint8Array(size); // used again for each read
    for (let at = 0; at < stream.length; at += size) {
      read.set(stream.subarray(at, at + size));
      joined.add(read.subarray(0, Math.min(size, stream.length - at)));
    }
    assert.deepEqual(given, answers, `${size} bytes a read`);
  }
});

Deno.test("Answers gives what is not Kafka's as it comes", () => {
  for (const text of ["HTTP/1.1 400 Bad Request\r\n\r\n", "\xff\xff\xff\xf0 and more"]) {
    const given: Buffer[] = [];
    const joined = new Answers((answer) => given.push(answer));
    joined.add(Buffer.from([0, 0, 0, 1, 7]));
    joined.add(Buffer.from(text.slice(0, 3), "latin1"));
    joined.add(Buffer.from(text.slice(3), "latin1"));
    assert.equal(Buffer.concat(given).toString("latin1"), `\0\0\0\x01\x07${text}`);
  }
});
