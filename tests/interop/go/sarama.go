package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"
)

var saramaVersions = []sarama.KafkaVersion{sarama.V1_0_0_0, sarama.V2_8_0_0, sarama.MaxVersion}

var saramaChecks = []check{
	{"sarama-none", saramaRoundTrips(sarama.CompressionNone)},
	{"sarama-gzip", saramaRoundTrips(sarama.CompressionGZIP)},
	{"sarama-snappy", saramaRoundTrips(sarama.CompressionSnappy)},
	{"sarama-lz4", saramaRoundTrips(sarama.CompressionLZ4)},
	{"sarama-zstd", saramaRoundTrips(sarama.CompressionZSTD)},
	{"sarama-idempotent", saramaIdempotent},
	{"sarama-admin", saramaAdmin},
	{"sarama-too-large", saramaTooLarge},
	{"sarama-group", saramaGroup},
	{"sarama-transaction", saramaTransaction},
}

func saramaConfig(version sarama.KafkaVersion) *sarama.Config {
	config := sarama.NewConfig()
	config.Version = version
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Consumer.Return.Errors = true
	return config
}

// saramaRoundTrips takes the broker for one of several versions of Kafka.
func saramaRoundTrips(codec sarama.CompressionCodec) func(string) error {
	return func(address string) error {
		for _, version := range saramaVersions {
			if codec == sarama.CompressionZSTD && !version.IsAtLeast(sarama.V2_1_0_0) {
				continue
			}
			if err := saramaRoundTrip(address, codec, version); err != nil {
				return fmt.Errorf("as Kafka %v: %w", version, err)
			}
		}
		return nil
	}
}

func saramaRoundTrip(address string, codec sarama.CompressionCodec, version sarama.KafkaVersion) error {
	topic, begin, config := fmt.Sprintf("sarama-%v-%v", codec, version), start(), saramaConfig(version)
	config.Producer.Compression = codec
	config.Producer.Flush.Frequency = 20 * time.Millisecond
	admin, err := sarama.NewClusterAdmin([]string{address}, config)
	if err != nil {
		return err
	}
	defer admin.Close()
	if err := admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false); err != nil {
		return err
	}
	producer, err := sarama.NewSyncProducer([]string{address}, config)
	if err != nil {
		return err
	}
	defer producer.Close()
	var messages []*sarama.ProducerMessage
	sent := samples(begin)
	for _, each := range sent {
		message := &sarama.ProducerMessage{Topic: topic, Timestamp: each.time}
		if each.key != nil {
			message.Key = sarama.ByteEncoder(each.key)
		}
		if each.value != nil {
			message.Value = sarama.ByteEncoder(each.value)
		}
		for _, header := range each.headers {
			message.Headers = append(message.Headers, sarama.RecordHeader{Key: []byte(header[0]), Value: []byte(header[1])})
		}
		messages = append(messages, message)
	}
	if err := producer.SendMessages(messages); err != nil {
		return err
	}
	client, err := sarama.NewClient([]string{address}, config)
	if err != nil {
		return err
	}
	defer client.Close()
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		return err
	}
	reader, err := consumer.ConsumePartition(topic, 0, sarama.OffsetOldest)
	if err != nil {
		return err
	}
	defer reader.Close()
	for n := range sent {
		select {
		case message := <-reader.Messages():
			is := sample{message.Key, message.Value, nil, message.Timestamp}
			for _, header := range message.Headers {
				is.headers = append(is.headers, [2]string{string(header.Key), string(header.Value)})
			}
			if err := errors.Join(equal("offset", n, message.Offset), differs(sent[n], is, false)); err != nil {
				return err
			}
		case err := <-reader.Errors():
			return err
		case <-time.After(20 * time.Second):
			return fmt.Errorf("%d of %d records came", n, len(sent))
		}
	}
	for _, n := range []int{0, 1, 150, 299} {
		found, err := client.GetOffset(topic, 0, begin.UnixMilli()+int64(n)*10-5)
		if err := errors.Join(err, equal("offset of a time", n, found)); err != nil {
			return err
		}
	}
	newest, err := client.GetOffset(topic, 0, sarama.OffsetNewest)
	return errors.Join(err, equal("end", len(sent), newest))
}

func saramaIdempotent(address string) error {
	config := saramaConfig(sarama.V2_8_0_0)
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
	producer, err := sarama.NewSyncProducer([]string{address}, config)
	if err != nil {
		return err
	}
	defer producer.Close()
	for n := 0; n < 200; n++ {
		_, offset, err := producer.SendMessage(&sarama.ProducerMessage{Topic: "sarama-idempotent", Value: sarama.StringEncoder("x")})
		if err := errors.Join(err, equal("offset", n, offset)); err != nil {
			return err
		}
	}
	return nil
}

func saramaAdmin(address string) error {
	for _, version := range saramaVersions {
		if err := saramaAdminAs(address, version); err != nil {
			return fmt.Errorf("as Kafka %v: %w", version, err)
		}
	}
	return nil
}

func saramaAdminAs(address string, version sarama.KafkaVersion) error {
	topic, value := fmt.Sprint("sarama-admin-", version), "1000000"
	admin, err := sarama.NewClusterAdmin([]string{address}, saramaConfig(version))
	if err != nil {
		return err
	}
	defer admin.Close()
	detail := &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 1, ConfigEntries: map[string]*string{"retention.ms": &value}}
	if err := admin.CreateTopic(topic, detail, false); err != nil {
		return err
	}
	if err := admin.CreateTopic(topic, detail, false); !errors.Is(err, sarama.ErrTopicAlreadyExists) {
		return fmt.Errorf("created twice: %v", err)
	}
	if err := admin.CreatePartitions(topic, 3, nil, false); err != nil {
		return err
	}
	topics, err := admin.ListTopics()
	if err := errors.Join(err, equal("partitions", 3, topics[topic].NumPartitions)); err != nil {
		return err
	}
	if set := topics[topic].ConfigEntries["retention.ms"]; set == nil || *set != value {
		return fmt.Errorf("a topic's settings: %v", topics[topic].ConfigEntries)
	}
	if described, err := admin.DescribeTopics([]string{topic}); err != nil || described[0].Err != sarama.ErrNoError {
		return fmt.Errorf("described: %v, %v", described, err)
	}
	brokers, _, err := admin.DescribeCluster()
	if err := errors.Join(err, equal("brokers", 1, len(brokers))); err != nil {
		return err
	}
	other := "2000000"
	if err := admin.AlterConfig(sarama.TopicResource, topic, map[string]*string{"retention.ms": &other}, false); err != nil {
		return err
	}
	if version.IsAtLeast(sarama.V2_3_0_0) {
		change := map[string]sarama.IncrementalAlterConfigsEntry{"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value}}
		if err := admin.IncrementalAlterConfig(sarama.TopicResource, topic, change, false); err != nil {
			return err
		}
	}
	if entries, err := admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic, ConfigNames: []string{"retention.ms"}}); err != nil || len(entries) != 1 {
		return fmt.Errorf("settings: %v, %v", entries, err)
	}
	if version.IsAtLeast(sarama.V2_0_0_0) { // before, it asks DescribeLogDirs v0, which is not served
		if dirs, err := admin.DescribeLogDirs([]int32{brokers[0].ID()}); err != nil || len(dirs[brokers[0].ID()]) != 1 {
			return fmt.Errorf("log dirs: %v, %v", dirs, err)
		}
	}
	if err := admin.DeleteRecords(topic, map[int32]int64{0: 0}); err != nil {
		return err
	}
	return admin.DeleteTopic(topic)
}

func saramaTooLarge(address string) error {
	config := saramaConfig(sarama.V2_8_0_0)
	config.Producer.MaxMessageBytes = 4_000_000
	producer, err := sarama.NewSyncProducer([]string{address}, config)
	if err != nil {
		return err
	}
	defer producer.Close()
	_, _, err = producer.SendMessage(&sarama.ProducerMessage{Topic: "sarama-large", Value: sarama.ByteEncoder(make([]byte, 2_000_000))})
	if !errors.Is(err, sarama.ErrMessageSizeTooLarge) {
		return fmt.Errorf("expected 'message too large', got %v", err)
	}
	_, _, err = producer.SendMessage(&sarama.ProducerMessage{Topic: "sarama-large", Value: sarama.ByteEncoder(make([]byte, 1_000_000))})
	return err
}

type saramaHandler struct{}

func (saramaHandler) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (saramaHandler) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (saramaHandler) ConsumeClaim(sarama.ConsumerGroupSession, sarama.ConsumerGroupClaim) error {
	return nil
}

func saramaGroup(address string) error {
	return prompt(func() error {
		group, err := sarama.NewConsumerGroup([]string{address}, "g", saramaConfig(sarama.V2_8_0_0))
		if err != nil {
			return err
		}
		defer group.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		return group.Consume(ctx, []string{"sarama-group"}, saramaHandler{})
	})
}

func saramaTransaction(address string) error {
	return prompt(func() error {
		config := saramaConfig(sarama.V2_8_0_0)
		config.Producer.Idempotent = true
		config.Producer.Transaction.ID = "t"
		config.Net.MaxOpenRequests = 1
		producer, err := sarama.NewAsyncProducer([]string{address}, config)
		if err != nil {
			return err
		}
		defer producer.Close()
		return nil
	})
}
