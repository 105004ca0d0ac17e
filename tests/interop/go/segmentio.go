package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
)

var segmentioChecks = []check{
	{"segmentio-none", segmentioRoundTrip("none", 0)},
	{"segmentio-gzip", segmentioRoundTrip("gzip", kafka.Gzip)},
	{"segmentio-snappy", segmentioRoundTrip("snappy", kafka.Snappy)},
	{"segmentio-lz4", segmentioRoundTrip("lz4", kafka.Lz4)},
	{"segmentio-zstd", segmentioRoundTrip("zstd", kafka.Zstd)},
	{"segmentio-connection", segmentioConnection},
	{"segmentio-admin", segmentioAdmin},
	{"segmentio-group", segmentioGroup},
}

func segmentioRoundTrip(codec string, compression kafka.Compression) func(string) error {
	return func(address string) error {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		topic, begin := "segmentio-"+codec, start()
		connection, err := kafka.Dial("tcp", address)
		if err != nil {
			return err
		}
		defer connection.Close()
		if err := connection.CreateTopics(kafka.TopicConfig{Topic: topic, NumPartitions: 1, ReplicationFactor: 1}); err != nil {
			return err
		}
		// A transport of its own: the default one remembers for seconds that there was no such topic.
		writer := &kafka.Writer{Addr: kafka.TCP(address), Topic: topic, Transport: &kafka.Transport{}, Compression: compression, RequiredAcks: kafka.RequireAll, BatchTimeout: 20 * time.Millisecond}
		var messages []kafka.Message
		sent := samples(begin)
		for _, each := range sent {
			message := kafka.Message{Key: each.key, Value: each.value, Time: each.time}
			for _, header := range each.headers {
				message.Headers = append(message.Headers, kafka.Header{Key: header[0], Value: []byte(header[1])})
			}
			messages = append(messages, message)
		}
		if err := errors.Join(writer.WriteMessages(ctx, messages...), writer.Close()); err != nil {
			return err
		}
		reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{address}, Topic: topic, MaxWait: 100 * time.Millisecond})
		defer reader.Close()
		for n := range sent {
			message, err := reader.ReadMessage(ctx)
			if err != nil {
				return fmt.Errorf("after %d records: %w", n, err)
			}
			is := sample{message.Key, message.Value, nil, message.Time}
			for _, header := range message.Headers {
				is.headers = append(is.headers, [2]string{header.Key, string(header.Value)})
			}
			if err := errors.Join(equal("offset", n, message.Offset), differs(sent[n], is, false)); err != nil {
				return err
			}
		}
		if err := reader.SetOffsetAt(ctx, begin.Add(1495*time.Millisecond)); err != nil {
			return err
		}
		message, err := reader.ReadMessage(ctx)
		return errors.Join(err, equal("offset of a time", 150, message.Offset))
	}
}

// The low-level connection: Produce v7, Fetch v10, ListOffsets v1.
func segmentioConnection(address string) error {
	ctx := context.Background()
	connection, err := kafka.DialLeader(ctx, "tcp", address, "segmentio-connection", 0)
	if err != nil {
		return err
	}
	defer connection.Close()
	if _, err := connection.WriteMessages(kafka.Message{Value: []byte("one")}, kafka.Message{Value: []byte("two")}); err != nil {
		return err
	}
	first, last, err := connection.ReadOffsets()
	if err := errors.Join(err, equal("offsets", "0 2", fmt.Sprint(first, " ", last))); err != nil {
		return err
	}
	if _, err := connection.Seek(1, kafka.SeekStart); err != nil {
		return err
	}
	_ = connection.SetReadDeadline(time.Now().Add(10 * time.Second))
	message, err := connection.ReadMessage(1000)
	return errors.Join(err, equal("value", "two", string(message.Value)))
}

func segmentioAdmin(address string) error {
	ctx, topic := context.Background(), "segmentio-admin"
	client := &kafka.Client{Addr: kafka.TCP(address), Timeout: 10 * time.Second}
	made, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: 2, ReplicationFactor: 1,
		ConfigEntries: []kafka.ConfigEntry{{ConfigName: "retention.ms", ConfigValue: "1000000"}}}}})
	if err := errors.Join(err, made.Errors[topic]); err != nil {
		return err
	}
	if grown, err := client.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: 3}}}); err != nil || grown.Errors[topic] != nil {
		return errors.Join(err, grown.Errors[topic])
	}
	client.Transport = &kafka.Transport{} // which has not heard of two partitions
	metadata, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err := errors.Join(err, equal("partitions", 3, len(metadata.Topics[0].Partitions))); err != nil {
		return err
	}
	offsets, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: {kafka.FirstOffsetOf(0), kafka.LastOffsetOf(1)}}})
	if err != nil {
		return err
	}
	for _, each := range offsets.Topics[topic] {
		if each.Error != nil {
			return each.Error
		}
	}
	described, err := client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic}}})
	if err != nil || described.Resources[0].Error != nil || len(described.Resources[0].ConfigEntries) == 0 {
		return fmt.Errorf("settings: %v, %v", described, err)
	}
	altered, err := client.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{Resources: []kafka.IncrementalAlterConfigsRequestResource{{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic,
		Configs: []kafka.IncrementalAlterConfigsRequestConfig{{Name: "retention.ms", Value: "2000000", ConfigOperation: kafka.ConfigOperationSet}}}}})
	if err := errors.Join(err, altered.Resources[0].Error); err != nil {
		return err
	}
	if identity, err := client.InitProducerID(ctx, &kafka.InitProducerIDRequest{}); err != nil || identity.Error != nil {
		return fmt.Errorf("a producer id: %v, %v", identity, err)
	}
	gone, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})
	return errors.Join(err, gone.Errors[topic])
}

func segmentioGroup(address string) error {
	return prompt(func() error {
		group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{ID: "g", Brokers: []string{address}, Topics: []string{"segmentio-none"}})
		if err != nil {
			return err
		}
		defer group.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		_, err = group.Next(ctx)
		return err
	})
}
