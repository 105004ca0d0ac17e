// Clients in JavaScript against a broker: `node checks.js ADDRESS [NAME]` runs the checks (whose name contains NAME).
// KafkaJS can only consume in a group, so what it writes is read by @platformatic/kafka's plain fetch.
import "./older_node.js";
import { Admin, Consumer, Producer, ProduceAcks } from "@platformatic/kafka";
import kafkajs from "kafkajs";
import Snappy from "kafkajs-snappy";
import { deepStrictEqual as equal, ok } from "node:assert";
import zlib from "node:zlib";

const [address, only] = process.argv.slice(2);
const { CompressionTypes, CompressionCodecs, Kafka, logLevel } = kafkajs;
CompressionCodecs[CompressionTypes.Snappy] = Snappy;

const common = { clientId: "js", bootstrapBrokers: [address], retries: 3 };
const kafka = new Kafka({ clientId: "js", brokers: [address], logLevel: logLevel.ERROR });

/** Null and empty keys and values, bytes that are no text, and enough that repeats; 10 ms apart. */
function samples(start) {
  const all = [
    { key: null, value: Buffer.from("no key") },
    { key: Buffer.from("no value"), value: null },
    { key: Buffer.alloc(0), value: Buffer.alloc(0) },
    { key: Buffer.from([0, 255]), value: Buffer.from([128, 127]), headers: { a: "1", b: "" } },
  ];
  for (let n = 4; n < 300; n++) all.push({ key: Buffer.from(`k${n}`), value: Buffer.from(`a value that repeats ${n % 7}`) });
  return all.map((record, n) => ({ headers: {}, ...record, timestamp: start + 10 * n }));
}

/** The records of partition 0 from its start, as samples() has them. */
async function read(topic, count) {
  const consumer = new Consumer({ ...common, groupId: "unused" });
  try {
    const metadata = await consumer.metadata({ topics: [topic] });
    const { id, partitions } = metadata.topics.get(topic);
    const got = [];
    while (got.length < count) {
      const response = await consumer.fetch({
        node: partitions[0].leader, minBytes: 1, maxBytes: 1 << 20, maxWaitTime: 1000, isolationLevel: 1,
        topics: [{ topicId: id, partitions: [{ partition: 0, currentLeaderEpoch: -1, fetchOffset: BigInt(got.length), lastFetchedEpoch: -1, partitionMaxBytes: 1 << 20 }] }],
      });
      const batches = response.responses[0].partitions[0].records ?? [];
      ok(batches.length > 0, `${got.length} of ${count} records came`);
      for (const batch of batches) {
        for (const record of batch.records) {
          const offset = Number(batch.firstOffset) + record.offsetDelta;
          if (offset < got.length) continue;
          equal(offset, got.length);
          got.push({
            key: record.key, value: record.value, timestamp: Number(batch.firstTimestamp + record.timestampDelta),
            headers: Object.fromEntries(record.headers.map(([name, value]) => [name.toString(), value.toString()])),
          });
        }
      }
    }
    return got;
  } finally {
    await consumer.close();
  }
}

/** What must fail, and within ten seconds. */
async function prompt(run) {
  const began = Date.now();
  let error;
  try {
    await run();
  } catch (caught) {
    error = caught;
  }
  ok(error, "nothing failed");
  ok(Date.now() - began < 10_000, `it took ${Date.now() - began} ms to say: ${error.message}`);
  console.log(`  told: ${error.message}`);
}

async function withAdmin(run) {
  const admin = kafka.admin();
  await admin.connect();
  try {
    return await run(admin);
  } finally {
    await admin.disconnect();
  }
}

async function kafkajsRoundTrip(codec, settings = {}) {
  const topic = `kafkajs-${codec}${settings.idempotent ? "-idempotent" : ""}`;
  const start = Date.now() - 100_000;
  const sent = samples(start);
  await withAdmin((admin) => admin.createTopics({ topics: [{ topic, numPartitions: 1 }] }));
  const producer = kafka.producer(settings);
  await producer.connect();
  const told = await producer.send({
    topic, acks: -1, compression: CompressionTypes[codec],
    messages: sent.map((record) => ({ ...record, partition: 0, timestamp: String(record.timestamp) })),
  });
  equal(told[0].baseOffset, "0");
  await producer.disconnect();
  equal(await read(topic, sent.length), sent);
  await withAdmin(async (admin) => {
    for (const n of [0, 1, 150, 299]) {
      equal(await admin.fetchTopicOffsetsByTimestamp(topic, start + 10 * n - 5), [{ partition: 0, offset: String(n) }]);
    }
    const [ends] = await admin.fetchTopicOffsets(topic);
    equal([ends.low, ends.high], ["0", "300"]);
  });
}

const ConfigResource = kafkajs.ConfigResourceTypes;

async function kafkajsAdmin(admin) {
  const topic = "kafkajs-admin";
  const configEntries = [{ name: "retention.ms", value: "1000000" }];
  equal(await admin.createTopics({ topics: [{ topic, numPartitions: 2, replicationFactor: 1, configEntries }] }), true);
  equal(await admin.createTopics({ topics: [{ topic }] }), false); // it exists
  ok((await admin.listTopics()).includes(topic));
  await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] });
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
  equal(topics[0].partitions.length, 3);
  const cluster = await admin.describeCluster();
  equal(cluster.brokers.map(({ host, port }) => `${host}:${port}`), [address]);
  ok(cluster.clusterId && cluster.controller === cluster.brokers[0].nodeId);
  await admin.alterConfigs({ resources: [{ type: ConfigResource.TOPIC, name: topic, configEntries: [{ name: "retention.ms", value: "2000000" }] }] });
  const described = await admin.describeConfigs({ resources: [{ type: ConfigResource.TOPIC, name: topic, configNames: ["retention.ms"] }], includeSynonyms: true });
  equal(described.resources[0].configEntries.map(({ configValue }) => configValue), ["2000000"]);
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic, messages: Array.from({ length: 10 }, () => ({ partition: 2, value: "x" })) });
  await producer.disconnect();
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 2, offset: "4" }] });
  const offsets = await admin.fetchTopicOffsets(topic);
  equal(offsets.find(({ partition }) => partition === 2).low, "4");
  await prompt(() => admin.createTopics({ topics: [{ topic: "not good" }] }));
  await prompt(() => admin.createTopics({ topics: [{ topic: "copies", replicationFactor: 3 }] }));
  await admin.deleteTopics({ topics: [topic] });
  ok(!(await admin.listTopics()).includes(topic));
}

async function kafkajsTooLarge() {
  const producer = kafka.producer({ retry: { retries: 1 } });
  await producer.connect();
  await prompt(() => producer.send({ topic: "kafkajs-large", messages: [{ value: Buffer.alloc(2_000_000) }] }));
  await producer.send({ topic: "kafkajs-large", messages: [{ value: Buffer.alloc(1_000_000) }] });
  await producer.disconnect();
}

async function kafkajsTransaction() {
  const producer = kafka.producer({ transactionalId: "t", idempotent: true, maxInFlightRequests: 1 });
  await prompt(async () => {
    await producer.connect();
    await producer.transaction();
  });
  await producer.disconnect();
}

async function platformaticRoundTrip(compression, settings = {}) {
  const topic = `platformatic-${compression}${settings.idempotent ? "-idempotent" : ""}`;
  const start = Date.now() - 100_000;
  const sent = samples(start);
  const admin = new Admin(common);
  const producer = new Producer({ ...common, ...settings });
  const consumer = new Consumer({ ...common, groupId: "unused" });
  try {
    const [made] = await admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 });
    equal([made.name, made.partitions, made.replicas], [topic, 1, 1]);
    const told = await producer.send({
      acks: ProduceAcks.ALL, compression,
      messages: sent.map(({ key, value, headers, timestamp }) => ({
        topic, partition: 0, key: key ?? undefined, value: value ?? undefined, timestamp: BigInt(timestamp),
        headers: new Map(Object.entries(headers).map(([name, text]) => [Buffer.from(name), Buffer.from(text)])),
      })),
    });
    equal(told.offsets.map(({ offset }) => offset), [0n]);
    equal(await read(topic, sent.length), sent);
    for (const n of [0, 1, 150, 299]) {
      const found = await consumer.listOffsetsWithTimestamps({ topics: [topic], timestamp: BigInt(start + 10 * n - 5) });
      equal(found.get(topic).get(0), { offset: BigInt(n), timestamp: BigInt(start + 10 * n) });
    }
    equal((await consumer.listOffsets({ topics: [topic] })).get(topic), [300n]);
    equal((await consumer.listOffsets({ topics: [topic], timestamp: -2n })).get(topic), [0n]);
  } finally {
    await Promise.all([admin.close(), producer.close(), consumer.close()]);
  }
}

async function platformaticAdmin() {
  const topic = "platformatic-admin";
  const admin = new Admin(common);
  try {
    await admin.createTopics({ topics: [topic], partitions: 2, replicas: 1, configs: [{ name: "retention.ms", value: "1000000" }] });
    await prompt(() => admin.createTopics({ topics: [topic], partitions: 2, replicas: 1 }));
    ok((await admin.listTopics()).includes(topic));
    await admin.createPartitions({ topics: [{ name: topic, count: 3 }] });
    const configs = [{ name: "retention.ms", configOperation: 0, value: "2000000" }];
    await admin.incrementalAlterConfigs({ resources: [{ resourceType: 2, resourceName: topic, configs }] });
    const [described] = await admin.describeConfigs({ resources: [{ resourceType: 2, resourceName: topic }], includeSynonyms: true, includeDocumentation: true });
    equal(described.configs.find(({ name }) => name === "retention.ms").value, "2000000");
    await admin.alterConfigs({ resources: [{ resourceType: 2, resourceName: topic, configs: [{ name: "retention.ms", value: "3000000" }] }] });
    const [dirs] = await admin.describeLogDirs({ topics: [{ name: topic, partitions: [0, 1, 2] }] });
    equal(dirs.results[0].topics[0].partitions.length, 3);
    const [listed] = await admin.listOffsets({ topics: [{ name: topic, partitions: [{ partitionIndex: 2, timestamp: -1n }] }] });
    equal(listed.partitions[0].offset, 0n);
    await admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition: 0, offset: 0n }] }] });
    await admin.deleteTopics({ topics: [topic] });
    ok(!(await admin.listTopics()).includes(topic));
    await prompt(() => admin.listGroups());
  } finally {
    await admin.close();
  }
}

/** A group has no coordinator yet, which clients try again for as long as they are told to. */
async function platformaticGroup() {
  const consumer = new Consumer({ ...common, retries: 1, groupId: "g" });
  await prompt(() => consumer.consume({ topics: ["platformatic-none"] }));
  await consumer.close(true);
}

async function kafkajsGroup() {
  const consumer = kafka.consumer({ groupId: "g", retry: { retries: 1, restartOnFailure: async () => false } });
  await consumer.connect();
  await consumer.subscribe({ topics: ["kafkajs-None"] });
  await prompt(async () => {
    const crash = new Promise((_, reject) => consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error)));
    crash.catch(() => {});
    await consumer.run({ eachMessage: async () => {} });
    await crash;
  });
  await consumer.disconnect();
}

const checks = {
  ...Object.fromEntries(["None", "GZIP", "Snappy"].map((codec) => [`kafkajs-${codec}`, () => kafkajsRoundTrip(codec)])),
  "kafkajs-idempotent": () => kafkajsRoundTrip("GZIP", { idempotent: true }),
  "kafkajs-admin": () => withAdmin(kafkajsAdmin),
  "kafkajs-too-large": kafkajsTooLarge,
  "kafkajs-transaction": kafkajsTransaction,
  "kafkajs-group": kafkajsGroup,
  ...Object.fromEntries(["none", "gzip", "snappy", "lz4", ...(zlib.zstdCompress ? ["zstd"] : [])].map((codec) => [`platformatic-${codec}`, () => platformaticRoundTrip(codec)])),
  "platformatic-idempotent": () => platformaticRoundTrip("none", { idempotent: true }),
  "platformatic-admin": platformaticAdmin,
  "platformatic-group": platformaticGroup,
};

let failed = false;
for (const [name, run] of Object.entries(checks)) {
  if (only && !name.includes(only)) continue;
  const began = Date.now();
  let timer;
  try {
    const limit = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error("it did not end within 60 s")), 60_000)));
    await Promise.race([run(), limit]);
    console.log(`ok ${name} (${Date.now() - began} ms)`);
  } catch (error) {
    failed = true;
    console.log(`FAILED ${name}: ${error.stack}`, error.errors ?? "", error.cause ?? "");
  } finally {
    clearTimeout(timer);
  }
}
process.exit(failed ? 1 : 0);
