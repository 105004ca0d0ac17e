import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.serialization.*;

/** Clients of the broker under test, with Kafka's defaults but for what is given. */
final class Clients {
  final String address;

  Clients(String address) {
    this.address = address;
  }

  private Map<String, Object> settings(String... given) {
    Map<String, Object> all = new HashMap<>();
    all.put("bootstrap.servers", address);
    for (int i = 0; i < given.length; i += 2) all.put(given[i], given[i + 1]);
    return all;
  }

  KafkaProducer<byte[], byte[]> producer(String... given) {
    return new KafkaProducer<>(settings(given), new ByteArraySerializer(), new ByteArraySerializer());
  }

  KafkaConsumer<byte[], byte[]> consumer(String... given) {
    Map<String, Object> all = settings("enable.auto.commit", "false", "auto.offset.reset", "none");
    for (int i = 0; i < given.length; i += 2) all.put(given[i], given[i + 1]);
    return new KafkaConsumer<>(all, new ByteArrayDeserializer(), new ByteArrayDeserializer());
  }

  Admin admin(String... given) {
    return Admin.create(settings(given));
  }

  void create(String topic, int partitions, String... given) throws Exception {
    Map<String, String> config = new HashMap<>();
    for (int i = 0; i < given.length; i += 2) config.put(given[i], given[i + 1]);
    try (Admin admin = admin()) {
      get(admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1).configs(config))).all());
    }
  }

  /** `count` values "0", "1", ... to partition 0, acknowledged. */
  void fill(String topic, int count, String... given) throws Exception {
    try (KafkaProducer<byte[], byte[]> producer = producer(given)) {
      for (int n = 0; n < count; n++) producer.send(new ProducerRecord<>(topic, 0, null, bytes("" + n)));
      producer.flush();
    }
  }

  static <T> T get(KafkaFuture<T> future) throws Exception {
    return future.get(30, TimeUnit.SECONDS);
  }

  static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  static String text(byte[] bytes) {
    return bytes == null ? null : new String(bytes, StandardCharsets.UTF_8);
  }

  static TopicPartition part(String topic, int partition) {
    return new TopicPartition(topic, partition);
  }

  /** Polls until `count` records have come. */
  static List<ConsumerRecord<byte[], byte[]>> read(Consumer<byte[], byte[]> consumer, int count) {
    List<ConsumerRecord<byte[], byte[]>> got = new ArrayList<>();
    long deadline = System.nanoTime() + 30_000_000_000L;
    while (got.size() < count) {
      if (System.nanoTime() > deadline) throw new AssertionError(got.size() + " of " + count + " records came");
      consumer.poll(Duration.ofMillis(200)).forEach(got::add);
    }
    return got;
  }
}
