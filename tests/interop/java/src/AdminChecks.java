import java.util.*;
import java.util.concurrent.ExecutionException;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.*;

/** What the admin client asks and changes. */
final class AdminChecks {
  private static final int PROMPT_MS = 5_000;
  private final Clients clients;
  private Admin admin;

  AdminChecks(Clients clients) {
    this.clients = clients;
  }

  void run(Checks checks) {
    try (Admin opened = clients.admin()) {
      admin = opened;
      checks.run("admin-create", this::create);
      checks.run("admin-create-refused", this::createRefused);
      checks.run("admin-describe-topics", this::describeTopics);
      checks.run("admin-delete-topics", this::deleteTopics);
      checks.run("admin-describe-cluster", this::describeCluster);
      checks.run("admin-topic-configs", this::topicConfigs);
      checks.run("admin-broker-configs", this::brokerConfigs);
      checks.run("admin-incremental-alter", this::incrementalAlter);
      checks.run("admin-create-partitions", this::createPartitions);
      checks.run("admin-delete-records", this::deleteRecords);
      checks.run("admin-list-offsets", this::listOffsets);
      checks.run("admin-log-dirs", this::logDirs);
      checks.run("admin-not-served", this::notServed);
    }
  }

  private static NewTopic topic(String name, int partitions) {
    return new NewTopic(name, partitions, (short) 1);
  }

  private void create() throws Exception {
    CreateTopicsResult made = admin.createTopics(List.of(topic("made", 3).configs(Map.of("retention.ms", "86400000")),
        new NewTopic("defaults", Optional.empty(), Optional.empty()), new NewTopic("assigned", Map.of(0, List.of(1), 1, List.of(1)))));
    Clients.get(made.all());
    Checks.equal(3, Clients.get(made.numPartitions("made")), "partitions");
    Checks.equal(1, Clients.get(made.replicationFactor("made")), "replicas");
    Checks.equal("86400000", Clients.get(made.config("made")).get("retention.ms").value(), "a setting told");
    Checks.equal(1, Clients.get(made.numPartitions("defaults")), "partitions by default");
    Checks.equal(2, Clients.get(made.numPartitions("assigned")), "partitions assigned");
    Clients.get(admin.createTopics(List.of(topic("tried", 2)), new CreateTopicsOptions().validateOnly(true)).all());
    Set<String> names = Clients.get(admin.listTopics().names());
    Checks.that(names.containsAll(List.of("made", "defaults", "assigned")), "they are listed: " + names);
    Checks.that(!names.contains("tried"), "validated only");
  }

  private void createRefused() throws Exception {
    clients.create("taken", 1);
    Map<NewTopic, Class<? extends Throwable>> wrong = new LinkedHashMap<>();
    wrong.put(topic("taken", 1), TopicExistsException.class);
    wrong.put(topic("not good", 1), InvalidTopicException.class);
    wrong.put(topic("", 1), InvalidTopicException.class);
    wrong.put(topic("..", 1), InvalidTopicException.class);
    wrong.put(topic("x".repeat(250), 1), InvalidTopicException.class);
    wrong.put(topic("none", 0), InvalidPartitionsException.class);
    wrong.put(new NewTopic("copies", 1, (short) 3), InvalidReplicationFactorException.class);
    wrong.put(topic("set", 1).configs(Map.of("no.such.thing", "1")), InvalidConfigurationException.class);
    wrong.put(topic("set", 1).configs(Map.of("retention.ms", "soon")), InvalidConfigurationException.class);
    wrong.put(new NewTopic("assigned-badly", Map.of(0, List.of(99))), InvalidReplicaAssignmentException.class);
    for (Map.Entry<NewTopic, Class<? extends Throwable>> each : wrong.entrySet()) {
      Throwable said = Checks.fails(each.getValue(), PROMPT_MS, () -> Clients.get(admin.createTopics(List.of(each.getKey())).all()));
      Checks.that(said.getMessage() != null && said.getMessage().length() > 10, "it says why: " + said);
    }
  }

  private void describeTopics() throws Exception {
    clients.create("described", 4);
    TopicDescription told = NewerAdmin.describe(admin, "described");
    Checks.equal(4, told.partitions().size(), "partitions");
    Checks.that(!told.isInternal(), "it is not internal");
    for (TopicPartitionInfo partition : told.partitions()) {
      Checks.that(partition.leader() != null && partition.leader().id() >= 0, "a leader");
      Checks.equal(1, partition.replicas().size(), "replicas");
      Checks.equal(1, partition.isr().size(), "in sync");
    }
    Set<AclOperation> may = NewerAdmin.describe(admin, "described", new DescribeTopicsOptions().includeAuthorizedOperations(true)).authorizedOperations();
    Checks.that(may != null && may.containsAll(Set.of(AclOperation.READ, AclOperation.WRITE, AclOperation.DELETE, AclOperation.ALTER_CONFIGS)),
        "what one may do to a topic: " + may);
    Checks.fails(UnknownTopicOrPartitionException.class, PROMPT_MS, () -> NewerAdmin.describe(admin, "nowhere"));
    Checks.fails(InvalidTopicException.class, PROMPT_MS, () -> NewerAdmin.describe(admin, "not good"));
  }

  private void deleteTopics() throws Exception {
    for (String name : List.of("gone", "gone-too")) clients.create(name, 2);
    Clients.get(admin.deleteTopics(List.of("gone", "gone-too")).all());
    Checks.that(Clients.get(admin.listTopics().names()).stream().noneMatch(name -> name.startsWith("gone")), "they are gone");
    Checks.fails(UnknownTopicOrPartitionException.class, PROMPT_MS, () -> Clients.get(admin.deleteTopics(List.of("gone")).all()));
    clients.create("gone", 1);
  }

  private void describeCluster() throws Exception {
    DescribeClusterResult told = admin.describeCluster(new DescribeClusterOptions().includeAuthorizedOperations(true));
    Collection<Node> nodes = Clients.get(told.nodes());
    Checks.equal(1, nodes.size(), "nodes");
    Node node = nodes.iterator().next();
    Checks.equal(clients.address, node.host() + ":" + node.port(), "its address");
    Checks.equal(node, Clients.get(told.controller()), "the controller");
    Checks.that(Clients.get(told.clusterId()).length() > 5, "a cluster id");
    Checks.that(Clients.get(told.authorizedOperations()).contains(AclOperation.CREATE), "what one may do");
  }

  private Config settings(ConfigResource.Type type, String name, DescribeConfigsOptions options) throws Exception {
    ConfigResource resource = new ConfigResource(type, name);
    return Clients.get(admin.describeConfigs(List.of(resource), options).all()).get(resource);
  }

  private void topicConfigs() throws Exception {
    clients.create("configured", 1, "retention.ms", "1000000");
    Config told = settings(ConfigResource.Type.TOPIC, "configured", new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true));
    ConfigEntry given = told.get("retention.ms"), other = told.get("max.message.bytes");
    Checks.equal(ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, given.source(), "source of what was given");
    Checks.equal(ConfigEntry.ConfigType.LONG, given.type(), "type");
    Checks.that(given.documentation() != null, "a documentation");
    Checks.equal(ConfigEntry.ConfigSource.DEFAULT_CONFIG, other.source(), "source of what was not");
    Checks.that(other.isDefault() && !other.isReadOnly() && !other.isSensitive(), "flags");
    Checks.equal("1048588", other.value(), "Kafka's default");
    Checks.that(given.synonyms().size() >= 2, "synonyms: " + given.synonyms());
    Checks.fails(UnknownTopicOrPartitionException.class, PROMPT_MS,
        () -> settings(ConfigResource.Type.TOPIC, "nowhere", new DescribeConfigsOptions()));
  }

  private void brokerConfigs() throws Exception {
    String id = "" + Clients.get(admin.describeCluster().nodes()).iterator().next().id();
    Config told = settings(ConfigResource.Type.BROKER, id, new DescribeConfigsOptions());
    for (String name : List.of("num.partitions", "log.dirs", "message.max.bytes", "auto.create.topics.enable", "default.replication.factor",
        "log.retention.ms", "min.insync.replicas", "offsets.topic.replication.factor")) {
      if (name.startsWith("offsets.")) continue;
      Checks.that(told.get(name) != null && told.get(name).value() != null, name + " is told");
    }
  }

  private void incrementalAlter() throws Exception {
    clients.create("altered", 1);
    ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, "altered");
    Clients.get(admin.incrementalAlterConfigs(Map.of(resource, List.of(
        new AlterConfigOp(new ConfigEntry("retention.ms", "5000000"), AlterConfigOp.OpType.SET),
        new AlterConfigOp(new ConfigEntry("cleanup.policy", "delete"), AlterConfigOp.OpType.APPEND)))).all());
    Checks.equal("5000000", settings(ConfigResource.Type.TOPIC, "altered", new DescribeConfigsOptions()).get("retention.ms").value(), "set");
    Clients.get(admin.incrementalAlterConfigs(Map.of(resource, List.of(
        new AlterConfigOp(new ConfigEntry("retention.ms", ""), AlterConfigOp.OpType.DELETE)))).all());
    Checks.equal("604800000", settings(ConfigResource.Type.TOPIC, "altered", new DescribeConfigsOptions()).get("retention.ms").value(), "deleted");
    Throwable said = Checks.fails(InvalidConfigurationException.class, PROMPT_MS, () -> Clients.get(admin.incrementalAlterConfigs(Map.of(resource,
        List.of(new AlterConfigOp(new ConfigEntry("retention.ms", "x"), AlterConfigOp.OpType.SET)))).all()));
    Checks.that(said.getMessage().contains("retention.ms"), "it names the setting: " + said);
  }

  private void createPartitions() throws Exception {
    clients.create("grown", 1);
    Clients.get(admin.createPartitions(Map.of("grown", NewPartitions.increaseTo(3))).all());
    Clients.get(admin.createPartitions(Map.of("grown", NewPartitions.increaseTo(4, List.of(List.of(1))))).all());
    Checks.equal(4, NewerAdmin.describe(admin, "grown").partitions().size(), "partitions");
    Checks.fails(InvalidPartitionsException.class, PROMPT_MS, () -> Clients.get(admin.createPartitions(Map.of("grown", NewPartitions.increaseTo(2))).all()));
    Checks.fails(UnknownTopicOrPartitionException.class, PROMPT_MS, () -> Clients.get(admin.createPartitions(Map.of("nowhere", NewPartitions.increaseTo(2))).all()));
    try (KafkaProducer<byte[], byte[]> producer = clients.producer()) {
      for (int p = 0; p < 4; p++) Checks.equal(0L, producer.send(new ProducerRecord<>("grown", p, null, Clients.bytes("x"))).get().offset(), "offset");
    }
  }

  private void deleteRecords() throws Exception {
    clients.create("cut", 1);
    clients.fill("cut", 20);
    TopicPartition here = Clients.part("cut", 0);
    Checks.equal(7L, Clients.get(admin.deleteRecords(Map.of(here, RecordsToDelete.beforeOffset(7))).lowWatermarks().get(here)).lowWatermark(), "low watermark");
    Checks.fails(OffsetOutOfRangeException.class, PROMPT_MS, () -> Clients.get(admin.deleteRecords(Map.of(here, RecordsToDelete.beforeOffset(21))).all()));
    Checks.equal(20L, Clients.get(admin.deleteRecords(Map.of(here, RecordsToDelete.beforeOffset(-1))).lowWatermarks().get(here)).lowWatermark(), "all of them");
  }

  private ListOffsetsResult.ListOffsetsResultInfo offset(TopicPartition here, OffsetSpec spec) throws Exception {
    return Clients.get(admin.listOffsets(Map.of(here, spec)).partitionResult(here));
  }

  private void listOffsets() throws Exception {
    clients.create("offsets", 1);
    TopicPartition here = Clients.part("offsets", 0);
    long start = System.currentTimeMillis() - 1_000_000;
    Checks.equal(0L, offset(here, OffsetSpec.latest()).offset(), "latest of nothing");
    Checks.equal(-1L, offset(here, OffsetSpec.forTimestamp(start)).offset(), "nothing there yet");
    Checks.equal(-1L, NewerAdmin.maxTimestamp(admin, here, -1L), "no highest time");
    try (KafkaProducer<byte[], byte[]> producer = clients.producer()) {
      long[] times = {0, 1000, 5000, 3000, 4000};
      for (long time : times) producer.send(new ProducerRecord<>("offsets", 0, start + time, null, Clients.bytes("x"))).get();
    }
    Checks.equal(0L, offset(here, OffsetSpec.earliest()).offset(), "earliest");
    Checks.equal(5L, offset(here, OffsetSpec.latest()).offset(), "latest");
    Checks.that(offset(here, OffsetSpec.latest()).leaderEpoch().isPresent(), "an epoch");
    Checks.equal(2L, offset(here, OffsetSpec.forTimestamp(start + 2000)).offset(), "by time");
    Checks.equal(start + 5000, offset(here, OffsetSpec.forTimestamp(start + 2000)).timestamp(), "by time");
    Checks.equal(-1L, offset(here, OffsetSpec.forTimestamp(start + 6000)).offset(), "too late a time");
    Checks.equal(2L, NewerAdmin.maxTimestamp(admin, here, 2L), "the highest time");
    NewerAdmin.tiers(admin, here);
    Checks.fails(UnknownTopicOrPartitionException.class, 65_000, () -> {
      try (Admin hasty = clients.admin("default.api.timeout.ms", "3000", "request.timeout.ms", "2000")) {
        try {
          TopicPartition none = Clients.part("nowhere", 0);
          Clients.get(hasty.listOffsets(Map.of(none, OffsetSpec.latest())).partitionResult(none));
        } catch (ExecutionException error) {
          // A missing topic is retried until the client's own limit.
          throw error.getCause() instanceof TimeoutException ? new UnknownTopicOrPartitionException() : error;
        }
      }
    });
  }

  private void logDirs() throws Exception {
    clients.create("sized", 1);
    clients.fill("sized", 1000);
    int id = Clients.get(admin.describeCluster().nodes()).iterator().next().id();
    NewerAdmin.logDirs(admin, id, Clients.part("sized", 0));
  }

  /** What this broker does not have: told at once. */
  private void notServed() throws Exception {
    Checks.fails(UnsupportedVersionException.class, PROMPT_MS, () -> Clients.get(admin.listPartitionReassignments().reassignments()));
    Checks.fails(UnsupportedVersionException.class, PROMPT_MS, () -> Clients.get(admin.describeAcls(org.apache.kafka.common.acl.AclBindingFilter.ANY).values()));
    Checks.fails(UnsupportedVersionException.class, PROMPT_MS, () -> Clients.get(admin.listConsumerGroups().all()));
    Clients.get(admin.describeFeatures().featureMetadata());
  }
}
