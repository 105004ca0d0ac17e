import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.*;

/** What the admin client asks since Kafka 3.9. */
final class NewerAdmin {
  static TopicDescription describe(Admin admin, String topic, DescribeTopicsOptions... options) throws Exception {
    DescribeTopicsOptions how = options.length > 0 ? options[0] : new DescribeTopicsOptions();
    return Clients.get(admin.describeTopics(List.of(topic), how).allTopicNames()).get(topic);
  }

  static long maxTimestamp(Admin admin, TopicPartition here, long ignored) throws Exception {
    return Clients.get(admin.listOffsets(Map.of(here, OffsetSpec.maxTimestamp())).partitionResult(here)).offset();
  }

  static void tiers(Admin admin, TopicPartition here) throws Exception {
    Checks.equal(0L, Clients.get(admin.listOffsets(Map.of(here, OffsetSpec.earliestLocal())).partitionResult(here)).offset(), "earliest local");
    Checks.fails(Exception.class, 5_000, () -> Clients.get(admin.listOffsets(Map.of(here, OffsetSpec.latestTiered())).partitionResult(here)));
    DescribeTopicsResult byId = admin.describeTopics(TopicCollection.ofTopicIds(List.of(
        Clients.get(admin.describeTopics(List.of(here.topic())).allTopicNames()).get(here.topic()).topicId())));
    Checks.equal(here.topic(), Clients.get(byId.allTopicIds()).values().iterator().next().name(), "described by id");
    Clients.get(admin.createTopics(List.of(new NewTopic("by-id", 1, (short) 1))).all());
    Uuid id = Clients.get(admin.describeTopics(List.of("by-id")).allTopicNames()).get("by-id").topicId();
    Clients.get(admin.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all());
    Checks.that(!Clients.get(admin.listTopics().names()).contains("by-id"), "deleted by id");
    Checks.fails(org.apache.kafka.common.errors.UnknownTopicIdException.class, 5_000,
        () -> Clients.get(admin.describeTopics(TopicCollection.ofTopicIds(List.of(id))).allTopicIds()));
  }

  static void logDirs(Admin admin, int node, TopicPartition here) throws Exception {
    LogDirDescription told = Clients.get(admin.describeLogDirs(List.of(node)).allDescriptions()).get(node).values().iterator().next();
    Checks.that(told.error() == null, "no error");
    Checks.that(told.replicaInfos().get(here).size() > 5_000, "its size");
    Checks.that(told.totalBytes().getAsLong() > told.usableBytes().getAsLong(), "the disk's size");
    Checks.that(Clients.get(admin.describeReplicaLogDirs(List.of(new TopicPartitionReplica(here.topic(), 0, node))).all())
        .values().iterator().next().getCurrentReplicaLogDir() != null, "where the replica is");
  }
}
