import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;

/** Producing and consuming. */
final class DataChecks {
  private static final int SPREAD = 300;
  private final Clients clients;

  DataChecks(Clients clients) {
    this.clients = clients;
  }

  void run(Checks checks) {
    for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
      checks.run("roundtrip-" + codec, () -> roundTrip(codec));
    }
    for (String acks : List.of("0", "1", "all")) checks.run("acks-" + acks, () -> acks(acks));
    checks.run("positions", this::positions);
    checks.run("reset", this::reset);
    checks.run("partitioner", this::partitioner);
    checks.run("too-large", this::tooLarge);
    if (Main.kafka() >= 4) checks.run("batch-split", this::batchSplit);  // older ones split for ever
    checks.run("append-time", this::appendTime);
    checks.run("timestamp-ahead", this::timestampAhead);
    checks.run("many-partitions", this::manyPartitions);
    checks.run("read-committed", this::readCommitted);
    checks.run("recreated-topic", this::recreatedTopic);
    checks.run("subscription-by-metadata", this::listings);
  }

  private static List<ProducerRecord<byte[], byte[]>> samples(String topic, long start) {
    List<ProducerRecord<byte[], byte[]>> all = new ArrayList<>();
    all.add(new ProducerRecord<>(topic, 0, start, null, Clients.bytes("no key")));
    all.add(new ProducerRecord<>(topic, 0, start + 10, Clients.bytes("no value"), (byte[]) null));
    all.add(new ProducerRecord<>(topic, 0, start + 20, new byte[0], new byte[0]));
    all.add(new ProducerRecord<>(topic, 0, start + 30, new byte[] {0, -1}, new byte[] {-128, 127},
        List.<Header>of(new RecordHeader("a", new byte[] {1}), new RecordHeader("a", null), new RecordHeader("b", new byte[0]))));
    for (int n = 4; n < SPREAD; n++) {
      all.add(new ProducerRecord<>(topic, 0, start + 10L * n, Clients.bytes("k" + n), Clients.bytes("a value that repeats " + n % 7)));
    }
    return all;
  }

  private void roundTrip(String codec) throws Exception {
    String topic = "codec-" + codec;
    clients.create(topic, 1);
    long start = System.currentTimeMillis() - 100_000;
    List<ProducerRecord<byte[], byte[]>> sent = samples(topic, start);
    List<Future<RecordMetadata>> told = new ArrayList<>();
    try (KafkaProducer<byte[], byte[]> producer = clients.producer("compression.type", codec, "linger.ms", "20")) {
      for (ProducerRecord<byte[], byte[]> record : sent) told.add(producer.send(record));
    }
    for (int n = 0; n < sent.size(); n++) {
      Checks.equal((long) n, told.get(n).get().offset(), "offset told");
      Checks.equal(sent.get(n).timestamp(), told.get(n).get().timestamp(), "time told");
    }
    try (KafkaConsumer<byte[], byte[]> consumer = clients.consumer()) {
      TopicPartition here = Clients.part(topic, 0);
      consumer.assign(List.of(here));
      consumer.seekToBeginning(List.of(here));
      List<ConsumerRecord<byte[], byte[]>> got = Clients.read(consumer, sent.size());
      for (int n = 0; n < sent.size(); n++) {
        ProducerRecord<byte[], byte[]> was = sent.get(n);
        ConsumerRecord<byte[], byte[]> is = got.get(n);
        Checks.equal((long) n, is.offset(), "offset");
        Checks.equal(was.key(), is.key(), "key");
        Checks.equal(was.value(), is.value(), "value");
        Checks.equal(was.timestamp(), is.timestamp(), "time");
        Checks.equal(TimestampType.CREATE_TIME, is.timestampType(), "type of time");
        Checks.equal(was.headers(), is.headers(), "headers");
        Checks.that(is.leaderEpoch().isPresent(), "a leader epoch");
      }
      for (int n : new int[] {0, 1, 150, SPREAD - 1}) {
        OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(here, start + 10L * n - 5)).get(here);
        Checks.equal((long) n, found.offset(), "offset of a time");
        Checks.equal(start + 10L * n, found.timestamp(), "time at that offset");
      }
      Checks.that(consumer.offsetsForTimes(Map.of(here, start + 1_000_000)).get(here) == null, "nothing is that late");
    }
  }

  private void acks(String acks) throws Exception {
    String topic = "acks-" + acks;
    clients.create(topic, 1);
    clients.fill(topic, 1000, "acks", acks, "enable.idempotence", "false");
    try (KafkaConsumer<byte[], byte[]> consumer = clients.consumer()) {
      TopicPartition here = Clients.part(topic, 0);
      consumer.assign(List.of(here));
      consumer.seek(here, 0);
      List<ConsumerRecord<byte[], byte[]>> got = Clients.read(consumer, 1000);
      for (int n = 0; n < 1000; n++) Checks.equal("" + n, Clients.text(got.get(n).value()), "order");
    }
  }

  private void positions() throws Exception {
    clients.create("positions", 2);
    clients.fill("positions", 100);
    try (KafkaConsumer<byte[], byte[]> consumer = clients.consumer()) {
      TopicPartition full = Clients.part("positions", 0), empty = Clients.part("positions", 1);
      consumer.assign(List.of(full, empty));
      Checks.equal(Map.of(full, 0L, empty, 0L), consumer.beginningOffsets(List.of(full, empty)), "beginnings");
      Checks.equal(Map.of(full, 100L, empty, 0L), consumer.endOffsets(List.of(full, empty)), "ends");
      consumer.seekToEnd(List.of(full, empty));
      Checks.equal(100L, consumer.position(full), "position at the end");
      Checks.equal(0L, consumer.position(empty), "position of an empty partition");
      consumer.seek(full, 60);
      consumer.pause(List.of(full));
      Checks.that(consumer.poll(Duration.ofMillis(200)).isEmpty(), "a paused partition is silent");
      consumer.resume(List.of(full));
      List<ConsumerRecord<byte[], byte[]>> got = Clients.read(consumer, 40);
      Checks.equal(60L, got.get(0).offset(), "first after a seek");
      Checks.equal(100L, consumer.position(full), "position after reading");
      consumer.seek(full, new OffsetAndMetadata(99, got.get(39).leaderEpoch(), ""));
      Checks.equal(99L, Clients.read(consumer, 1).get(0).offset(), "seek with an epoch");
    }
  }

  private void reset() throws Exception {
    clients.create("reset", 1);
    clients.fill("reset", 10);
    TopicPartition here = Clients.part("reset", 0);
    try (Admin admin = clients.admin()) {
      Clients.get(admin.deleteRecords(Map.of(here, RecordsToDelete.beforeOffset(4))).all());
    }
    try (KafkaConsumer<byte[], byte[]> consumer = clients.consumer()) {
      consumer.assign(List.of(here));
      for (long wrong : new long[] {2, 11}) {
        consumer.seek(here, wrong);
        Checks.fails(org.apache.kafka.clients.consumer.OffsetOutOfRangeException.class, 10_000, () -> Clients.read(consumer, 1));
      }
    }
    try (KafkaConsumer<byte[], byte[]> consumer = clients.consumer("auto.offset.reset", "earliest")) {
      consumer.assign(List.of(here));
      Checks.equal(4L, Clients.read(consumer, 6).get(0).offset(), "it begins at the earliest");
      consumer.seek(here, 1);
      Checks.equal(4L, Clients.read(consumer, 6).get(0).offset(), "it is reset to the earliest");
    }
    try (KafkaConsumer<byte[], byte[]> consumer = clients.consumer("auto.offset.reset", "latest")) {
      consumer.assign(List.of(here));
      Checks.equal(10L, consumer.position(here), "it begins at the latest");
    }
  }

  private void partitioner() throws Exception {
    clients.create("keyed", 5);
    Map<String, Integer> went = new HashMap<>();
    try (KafkaProducer<byte[], byte[]> producer = clients.producer()) {
      Checks.equal(5, producer.partitionsFor("keyed").size(), "partitions");
      for (int n = 0; n < 200; n++) {
        String key = "key" + n % 50;
        int partition = producer.send(new ProducerRecord<>("keyed", Clients.bytes(key), Clients.bytes("v"))).get().partition();
        Checks.that(went.getOrDefault(key, partition) == partition, "a key stays in its partition");
        went.put(key, partition);
      }
    }
    Checks.equal(5, new HashSet<>(went.values()).size(), "partitions used");
  }

  private void tooLarge() throws Exception {
    clients.create("narrow", 1, "max.message.bytes", "20000");
    try (KafkaProducer<byte[], byte[]> producer = clients.producer("max.request.size", "10000000")) {
      Checks.fails(RecordTooLargeException.class, 20_000,
          () -> producer.send(new ProducerRecord<>("narrow", new byte[30_000])).get(30, TimeUnit.SECONDS));
      Checks.equal(0L, producer.send(new ProducerRecord<>("narrow", new byte[19_000])).get(30, TimeUnit.SECONDS).offset(), "offset");
    }
    clients.create("wide", 1, "max.message.bytes", "8000000");
    byte[] large = new byte[7_000_000];
    new Random(1).nextBytes(large);
    try (KafkaProducer<byte[], byte[]> producer = clients.producer("max.request.size", "10000000")) {
      producer.send(new ProducerRecord<>("wide", large)).get(30, TimeUnit.SECONDS);
    }
    try (KafkaConsumer<byte[], byte[]> consumer = clients.consumer()) {
      consumer.assign(List.of(Clients.part("wide", 0)));
      consumer.seekToBeginning(List.of(Clients.part("wide", 0)));
      Checks.that(Arrays.equals(large, Clients.read(consumer, 1).get(0).value()), "more than the fetch's limit comes whole");
    }
  }

  /** A batch above the topic's limit is split by the producer and sent again, exactly once and in order. */
  private void batchSplit() throws Exception {
    clients.create("split", 1, "max.message.bytes", "4000");
    try (KafkaProducer<byte[], byte[]> producer = clients.producer("batch.size", "100000", "linger.ms", "100", "compression.type", "lz4")) {
      Random chance = new Random(7);
      for (int n = 0; n < 300; n++) {
        byte[] value = new byte[200];
        chance.nextBytes(value);
        producer.send(new ProducerRecord<>("split", 0, Clients.bytes("" + n), value));
      }
    }
    try (KafkaConsumer<byte[], byte[]> consumer = clients.consumer()) {
      TopicPartition here = Clients.part("split", 0);
      consumer.assign(List.of(here));
      consumer.seek(here, 0);
      List<ConsumerRecord<byte[], byte[]>> got = Clients.read(consumer, 300);
      for (int n = 0; n < 300; n++) Checks.equal("" + n, Clients.text(got.get(n).key()), "order");
      Checks.equal(300L, consumer.endOffsets(List.of(here)).get(here), "once each");
    }
  }

  private void appendTime() throws Exception {
    clients.create("stamped", 1, "message.timestamp.type", "LogAppendTime");
    long old = System.currentTimeMillis() - 86_400_000;
    long told;
    try (KafkaProducer<byte[], byte[]> producer = clients.producer()) {
      told = producer.send(new ProducerRecord<>("stamped", 0, old, null, Clients.bytes("x"))).get().timestamp();
      Checks.that(Math.abs(told - System.currentTimeMillis()) < 60_000, "the broker's time is told");
    }
    try (KafkaConsumer<byte[], byte[]> consumer = clients.consumer()) {
      TopicPartition here = Clients.part("stamped", 0);
      consumer.assign(List.of(here));
      consumer.seek(here, 0);
      ConsumerRecord<byte[], byte[]> got = Clients.read(consumer, 1).get(0);
      Checks.equal(TimestampType.LOG_APPEND_TIME, got.timestampType(), "type of time");
      Checks.equal(told, got.timestamp(), "time");
      Checks.equal(0L, consumer.offsetsForTimes(Map.of(here, told)).get(here).offset(), "found by that time");
    }
  }

  private void timestampAhead() throws Exception {
    clients.create("ahead", 1);
    try (KafkaProducer<byte[], byte[]> producer = clients.producer()) {
      long ahead = System.currentTimeMillis() + 2 * 3_600_000;
      Checks.fails(InvalidTimestampException.class, 10_000,
          () -> producer.send(new ProducerRecord<>("ahead", 0, ahead, null, Clients.bytes("x"))).get());
      producer.send(new ProducerRecord<>("ahead", 0, null, Clients.bytes("y"))).get();
    }
  }

  /** Full, then incremental fetches of a session. */
  private void manyPartitions() throws Exception {
    int count = 100;
    clients.create("many", count);
    List<TopicPartition> all = IntStream.range(0, count).mapToObj(p -> Clients.part("many", p)).collect(Collectors.toList());
    try (KafkaConsumer<byte[], byte[]> consumer = clients.consumer("max.partition.fetch.bytes", "2000", "fetch.max.bytes", "20000");
        KafkaProducer<byte[], byte[]> producer = clients.producer()) {
      consumer.assign(all);
      consumer.seekToBeginning(all);
      Map<Integer, Integer> next = new HashMap<>();
      for (int round = 0; round < 5; round++) {
        for (int n = 0; n < 1000; n++) {
          producer.send(new ProducerRecord<>("many", n % count, null, Clients.bytes(round + "-" + n + "-" + "x".repeat(200))));
        }
        producer.flush();
        for (ConsumerRecord<byte[], byte[]> record : Clients.read(consumer, 1000)) {
          Checks.equal((long) next.merge(record.partition(), 1, Integer::sum) - 1, record.offset(), "no gap, no repeat");
        }
      }
    }
  }

  private void readCommitted() throws Exception {
    clients.create("committed", 1);
    clients.fill("committed", 50);
    try (KafkaConsumer<byte[], byte[]> consumer = clients.consumer("isolation.level", "read_committed")) {
      TopicPartition here = Clients.part("committed", 0);
      consumer.assign(List.of(here));
      consumer.seekToBeginning(List.of(here));
      Clients.read(consumer, 50);
      Checks.equal(50L, consumer.endOffsets(List.of(here)).get(here), "the last stable offset");
    }
  }

  /** The same name, another topic: producer and consumer go on with the new one. */
  private void recreatedTopic() throws Exception {
    clients.create("again", 1);
    clients.fill("again", 5);
    TopicPartition here = Clients.part("again", 0);
    try (KafkaConsumer<byte[], byte[]> consumer = clients.consumer("metadata.max.age.ms", "500", "auto.offset.reset", "earliest");
        KafkaProducer<byte[], byte[]> producer = clients.producer("metadata.max.age.ms", "500", "enable.idempotence", "false");
        Admin admin = clients.admin()) {
      producer.send(new ProducerRecord<>("again", 0, null, Clients.bytes("5"))).get();
      consumer.assign(List.of(here));
      Clients.read(consumer, 6);
      Clients.get(admin.deleteTopics(List.of("again")).all());
      clients.create("again", 1);
      Checks.equal(0L, producer.send(new ProducerRecord<>("again", 0, null, Clients.bytes("new"))).get(30, TimeUnit.SECONDS).offset(),
          "the new topic begins at 0");
      Checks.equal("new", Clients.text(Clients.read(consumer, 1).get(0).value()), "the new topic is read");
    }
  }

  private void listings() throws Exception {
    clients.create("listed", 3);
    try (KafkaConsumer<byte[], byte[]> consumer = clients.consumer()) {
      List<PartitionInfo> partitions = consumer.partitionsFor("listed");
      Checks.equal(3, partitions.size(), "partitions");
      for (PartitionInfo partition : partitions) {
        Checks.equal(1, partition.replicas().length, "replicas");
        Checks.equal(partition.leader(), partition.inSyncReplicas()[0], "in sync");
      }
      Map<String, List<PartitionInfo>> topics = consumer.listTopics();
      Checks.that(topics.containsKey("listed"), "listed is listed");
      Checks.that(topics.keySet().stream().noneMatch(name -> name.startsWith("_")), "no internal topic is");
    }
    try (KafkaConsumer<byte[], byte[]> consumer = clients.consumer("allow.auto.create.topics", "false")) {
      Collection<PartitionInfo> none = null;
      try {
        none = consumer.partitionsFor("not-there");
      } catch (UnknownTopicOrPartitionException error) {
        none = List.of();
      }
      Checks.that(none == null || none.isEmpty(), "nothing of a topic that is not there");
    }
  }
}
