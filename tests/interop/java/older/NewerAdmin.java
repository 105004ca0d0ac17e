import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.*;

/** The same in the words of Kafka 2.8, as far as it has them. */
final class NewerAdmin {
  static TopicDescription describe(Admin admin, String topic, DescribeTopicsOptions... options) throws Exception {
    DescribeTopicsOptions how = options.length > 0 ? options[0] : new DescribeTopicsOptions();
    return Clients.get(admin.describeTopics(List.of(topic), how).all()).get(topic);
  }

  static long maxTimestamp(Admin admin, TopicPartition here, long otherwise) {
    return otherwise;
  }

  static void tiers(Admin admin, TopicPartition here) {}

  @SuppressWarnings("deprecation")
  static void logDirs(Admin admin, int node, TopicPartition here) throws Exception {
    LogDirDescription told = Clients.get(admin.describeLogDirs(List.of(node)).allDescriptions()).get(node).values().iterator().next();
    Checks.that(told.error() == null, "no error");
    Checks.that(told.replicaInfos().get(here).size() > 5_000, "its size");
  }
}
