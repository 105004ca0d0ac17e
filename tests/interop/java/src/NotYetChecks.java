import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;

/** Groups and transactions do not exist yet: nothing hangs, and what needs neither works. */
final class NotYetChecks {
  private static final int PROMPT_MS = 10_000;
  private final Clients clients;

  NotYetChecks(Clients clients) {
    this.clients = clients;
  }

  void run(Checks checks) {
    checks.run("group-id-and-assign", this::assignWithGroupId);
    checks.run("group-subscribe", this::subscribe);
    checks.run("group-commit", this::commit);
    checks.run("transactions", this::transactions);
  }

  /** A group id alone joins nothing: assign, seek and read as without one. */
  private void assignWithGroupId() throws Exception {
    clients.create("solo", 1);
    clients.fill("solo", 10);
    try (KafkaConsumer<byte[], byte[]> consumer = clients.consumer("group.id", "g")) {
      consumer.assign(List.of(Clients.part("solo", 0)));
      consumer.seek(Clients.part("solo", 0), 0);
      Clients.read(consumer, 10);
    }
  }

  /** A group has no coordinator yet, which a client waits for: polls end in time all the same, and so does closing. */
  private void subscribe() throws Exception {
    long start = System.nanoTime();
    try (KafkaConsumer<byte[], byte[]> consumer = clients.consumer("group.id", "g")) {
      consumer.subscribe(List.of("solo"));
      for (int n = 0; n < 5; n++) Checks.that(consumer.poll(Duration.ofMillis(200)).isEmpty(), "nothing is assigned");
    }
    Checks.that(System.nanoTime() - start < PROMPT_MS * 1_000_000L, "it took too long");
  }

  private void commit() throws Exception {
    try (KafkaConsumer<byte[], byte[]> consumer = clients.consumer("group.id", "g", "default.api.timeout.ms", "2000")) {
      consumer.assign(List.of(Clients.part("solo", 0)));
      Checks.fails(KafkaException.class, PROMPT_MS, () -> consumer.commitSync(Map.of(Clients.part("solo", 0), new OffsetAndMetadata(1))));
    }
  }

  private void transactions() throws Exception {
    try (KafkaProducer<byte[], byte[]> producer = clients.producer("transactional.id", "t")) {
      Throwable said = Checks.fails(KafkaException.class, PROMPT_MS, producer::initTransactions);
      Checks.that(!(said instanceof org.apache.kafka.common.errors.TimeoutException), "not a time-out: " + said);
    }
  }
}
