import java.util.*;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.producer.*;

/** An idempotent producer that goes on through whatever happens to the broker: numbers 0, 1, ... to partition 0 of a topic. */
final class Stream {
  static int run(Clients clients, String topic, int count) throws Exception {
    AtomicInteger wrong = new AtomicInteger(), acknowledged = new AtomicInteger();
    try (KafkaProducer<byte[], byte[]> producer = clients.producer("enable.idempotence", "true", "acks", "all", "linger.ms", "1", "batch.size", "2000", "delivery.timeout.ms", "300000",
             "reconnect.backoff.max.ms", "200", "retry.backoff.ms", "20", "buffer.memory", "200000", "max.block.ms", "300000")) {
      for (int n = 0; n < count; n++) {
        final long number = n;
        producer.send(new ProducerRecord<>(topic, 0, null, Clients.bytes("" + n)), (told, error) -> {
          if (error != null || told.offset() != number) {
            if (wrong.incrementAndGet() < 5) System.out.println("FAILED record " + number + ": " + error + ", " + told);
          } else if (acknowledged.incrementAndGet() % 500 == 0) {
            System.out.println("acknowledged " + acknowledged.get());
            System.out.flush();
          }
        });
      }
    }
    System.out.println("acknowledged " + acknowledged.get());
    return wrong.get() == 0 && acknowledged.get() == count ? 0 : 1;
  }
}
