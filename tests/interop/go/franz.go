package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

var franzChecks = []check{
	{"franz-none", franzRoundTrip("none", kgo.NoCompression())},
	{"franz-gzip", franzRoundTrip("gzip", kgo.GzipCompression())},
	{"franz-snappy", franzRoundTrip("snappy", kgo.SnappyCompression())},
	{"franz-lz4", franzRoundTrip("lz4", kgo.Lz4Compression())},
	{"franz-zstd", franzRoundTrip("zstd", kgo.ZstdCompression())},
	{"franz-admin", franzAdmin},
	{"franz-admin-refused", franzRefused},
	{"franz-out-of-range", franzOutOfRange},
	{"franz-many-partitions", franzMany},
	{"franz-too-large", franzTooLarge},
	{"franz-group", franzGroup},
	{"franz-transaction", franzTransaction},
}

func franz(address string, options ...kgo.Opt) (*kgo.Client, *kadm.Client, error) {
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(address)}, options...)...)
	if err != nil {
		return nil, nil, err
	}
	return client, kadm.NewClient(client), nil
}

func franzRead(client *kgo.Client, count int) ([]*kgo.Record, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var got []*kgo.Record
	for len(got) < count {
		fetches := client.PollFetches(ctx)
		if problems := fetches.Errors(); len(problems) > 0 {
			return got, fmt.Errorf("after %d of %d records: %w", len(got), count, problems[0].Err)
		}
		got = append(got, fetches.Records()...)
	}
	return got, nil
}

func at(topic string, partition int32, offset kgo.Offset) kgo.Opt {
	return kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: offset}})
}

func franzRoundTrip(codec string, compression kgo.CompressionCodec) func(string) error {
	return func(address string) error {
		ctx, topic, begin := context.Background(), "franz-"+codec, start()
		client, admin, err := franz(address, kgo.ProducerBatchCompression(compression), kgo.RecordPartitioner(kgo.ManualPartitioner()),
			kgo.ProducerLinger(20*time.Millisecond), at(topic, 0, kgo.NewOffset().AtStart()))
		if err != nil {
			return err
		}
		defer client.Close()
		if _, err := admin.CreateTopic(ctx, 1, 1, nil, topic); err != nil {
			return err
		}
		var records []*kgo.Record
		sent := samples(begin)
		for _, each := range sent {
			record := &kgo.Record{Topic: topic, Key: each.key, Value: each.value, Timestamp: each.time}
			for _, header := range each.headers {
				record.Headers = append(record.Headers, kgo.RecordHeader{Key: header[0], Value: []byte(header[1])})
			}
			records = append(records, record)
		}
		if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
			return err
		}
		got, err := franzRead(client, len(sent))
		if err != nil {
			return err
		}
		for n, record := range got {
			is := sample{record.Key, record.Value, nil, record.Timestamp}
			for _, header := range record.Headers {
				is.headers = append(is.headers, [2]string{header.Key, string(header.Value)})
			}
			if err := errors.Join(equal("offset", n, record.Offset), differs(sent[n], is, true)); err != nil {
				return err
			}
		}
		for _, n := range []int{0, 1, 150, 299} {
			found, err := admin.ListOffsetsAfterMilli(ctx, begin.UnixMilli()+int64(n)*10-5, topic)
			if err != nil {
				return err
			}
			one, _ := found.Lookup(topic, 0)
			if err := errors.Join(one.Err, equal("offset of a time", n, one.Offset), equal("its time", begin.UnixMilli()+int64(n)*10, one.Timestamp)); err != nil {
				return err
			}
		}
		return nil
	}
}

func franzAdmin(address string) error {
	ctx := context.Background()
	client, admin, err := franz(address, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer client.Close()
	retention := "1000000"
	if _, err := admin.CreateTopic(ctx, 2, -1, map[string]*string{"retention.ms": &retention}, "franz-admin"); err != nil {
		return err
	}
	topics, err := admin.ListTopics(ctx)
	if err != nil || !topics.Has("franz-admin") || len(topics["franz-admin"].Partitions) != 2 {
		return fmt.Errorf("listed: %v, %v", topics, err)
	}
	if grown, err := admin.UpdatePartitions(ctx, 4, "franz-admin"); err != nil || grown.Error() != nil {
		return errors.Join(err, grown.Error())
	}
	for n := 0; n < 100; n++ {
		client.Produce(ctx, &kgo.Record{Topic: "franz-admin", Partition: 3, Value: []byte("x")}, nil)
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	ends, err := admin.ListEndOffsets(ctx, "franz-admin")
	if err != nil {
		return err
	}
	one, _ := ends.Lookup("franz-admin", 3)
	if err := equal("end", 100, one.Offset); err != nil {
		return err
	}
	cut, err := admin.DeleteRecords(ctx, kadm.Offsets{"franz-admin": {3: {Topic: "franz-admin", Partition: 3, At: 40}}})
	if err != nil || cut.Error() != nil {
		return errors.Join(err, cut.Error())
	}
	starts, err := admin.ListStartOffsets(ctx, "franz-admin")
	if err != nil {
		return err
	}
	one, _ = starts.Lookup("franz-admin", 3)
	if err := equal("start", 40, one.Offset); err != nil {
		return err
	}
	if _, err := admin.ListCommittedOffsets(ctx, "franz-admin"); err != nil {
		return err
	}
	if _, err := admin.ListMaxTimestampOffsets(ctx, "franz-admin"); err != nil {
		return err
	}
	value := "2000000"
	altered, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &value}}, "franz-admin")
	if err != nil {
		return err
	}
	for _, each := range altered {
		if each.Err != nil {
			return fmt.Errorf("%w: %s", each.Err, each.ErrMessage)
		}
	}
	described, err := admin.DescribeTopicConfigs(ctx, "franz-admin")
	if err != nil {
		return err
	}
	for _, config := range described[0].Configs {
		if config.Key == "retention.ms" && config.MaybeValue() != value {
			return fmt.Errorf("retention.ms is %s", config.MaybeValue())
		}
	}
	metadata, err := admin.BrokerMetadata(ctx)
	if err != nil || len(metadata.Brokers) != 1 {
		return fmt.Errorf("brokers: %v, %v", metadata, err)
	}
	if broker, err := admin.DescribeBrokerConfigs(ctx, metadata.Brokers[0].NodeID); err != nil || len(broker[0].Configs) == 0 || broker[0].Err != nil {
		return fmt.Errorf("the broker's settings: %v, %v", broker, err)
	}
	dirs, err := admin.DescribeAllLogDirs(ctx, nil)
	if err != nil || len(dirs) != 1 {
		return fmt.Errorf("log dirs: %v, %v", dirs, err)
	}
	if _, err := admin.ApiVersions(ctx); err != nil {
		return err
	}
	if epochs, err := admin.OffetForLeaderEpoch(ctx, kadm.OffsetForLeaderEpochRequest{"franz-admin": {3: 1}}); err != nil || epochs["franz-admin"][3].Err != nil {
		return fmt.Errorf("leader epochs: %v, %v", epochs, err)
	}
	if _, err := admin.DeleteTopic(ctx, "franz-admin"); err != nil {
		return err
	}
	if _, err := admin.CreateTopic(ctx, 1, 1, nil, "franz-admin"); err != nil {
		return err
	}
	_, err = admin.DeleteTopic(ctx, "franz-admin")
	return err
}

func franzRefused(address string) error {
	ctx := context.Background()
	client, admin, err := franz(address)
	if err != nil {
		return err
	}
	defer client.Close()
	value := "1"
	is := func(wanted, err error) error {
		if !errors.Is(err, wanted) {
			return fmt.Errorf("expected %v, got %v", wanted, err)
		}
		return nil
	}
	_, copies := admin.CreateTopic(ctx, 1, 3, nil, "franz-copies")
	_, name := admin.CreateTopic(ctx, 1, 1, nil, "no good")
	_, setting := admin.CreateTopic(ctx, 1, 1, map[string]*string{"no.such.thing": &value}, "franz-set")
	_, missing := admin.DeleteTopic(ctx, "franz-nowhere")
	return errors.Join(is(kerr.InvalidReplicationFactor, copies), is(kerr.InvalidTopicException, name),
		is(kerr.InvalidConfig, setting), is(kerr.UnknownTopicOrPartition, missing))
}

func franzOutOfRange(address string) error {
	ctx := context.Background()
	maker, admin, err := franz(address)
	if err != nil {
		return err
	}
	defer maker.Close()
	if _, err := admin.CreateTopic(ctx, 1, 1, nil, "franz-short"); err != nil {
		return err
	}
	client, _, err := franz(address, at("franz-short", 0, kgo.NewOffset().At(100)), kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	if err != nil {
		return err
	}
	defer client.Close()
	return prompt(func() error {
		_, err := franzRead(client, 1)
		return err
	})
}

// Fetch sessions over many partitions, and one record a time.
func franzMany(address string) error {
	ctx := context.Background()
	client, admin, err := franz(address, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ConsumeTopics("franz-many"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := admin.CreateTopic(ctx, 100, 1, nil, "franz-many"); err != nil {
		return err
	}
	next := map[int32]int64{}
	for round := 0; round < 5; round++ {
		for n := 0; n < 500; n++ {
			client.Produce(ctx, &kgo.Record{Topic: "franz-many", Partition: int32(n % 100), Value: []byte(fmt.Sprint(round, n))}, nil)
		}
		got, err := franzRead(client, 500)
		if err != nil {
			return err
		}
		for _, record := range got {
			if record.Offset != next[record.Partition] {
				return fmt.Errorf("partition %d: offset %d came after %d", record.Partition, record.Offset, next[record.Partition]-1)
			}
			next[record.Partition]++
		}
	}
	return nil
}

func franzTooLarge(address string) error {
	ctx := context.Background()
	client, admin, err := franz(address, kgo.ProducerBatchMaxBytes(4_000_000), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := admin.CreateTopic(ctx, 1, 1, nil, "franz-large"); err != nil {
		return err
	}
	err = client.ProduceSync(ctx, &kgo.Record{Topic: "franz-large", Value: make([]byte, 2_000_000)}).FirstErr()
	if !errors.Is(err, kerr.MessageTooLarge) {
		return fmt.Errorf("expected MESSAGE_TOO_LARGE, got %v", err)
	}
	return client.ProduceSync(ctx, &kgo.Record{Topic: "franz-large", Value: make([]byte, 1_000_000)}).FirstErr()
}

// A group has no coordinator yet, which the client waits for: what is given a time ends in it.
func franzGroup(address string) error {
	client, admin, err := franz(address, kgo.ConsumerGroup("g"), kgo.ConsumeTopics("franz-none"))
	if err != nil {
		return err
	}
	defer client.CloseAllowingRebalance()
	return errors.Join(
		prompt(func() error {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			return client.PollFetches(ctx).Err()
		}),
		prompt(func() error { _, err := admin.ListGroups(context.Background()); return err }))
}

func franzTransaction(address string) error {
	client, _, err := franz(address, kgo.TransactionalID("t"))
	if err != nil {
		return err
	}
	defer client.Close()
	return prompt(func() error {
		if err := client.BeginTransaction(); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		return client.ProduceSync(ctx, &kgo.Record{Topic: "franz-none", Value: []byte("x")}).FirstErr()
	})
}

// stream writes 0, 1, ... to partition 0 through whatever happens to the broker: number n must be told to be at offset n.
func stream(address, topic string, count int) error {
	client, _, err := franz(address, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(3000), kgo.ProducerLinger(time.Millisecond))
	if err != nil {
		return err
	}
	defer client.Close()
	var acknowledged, wrong atomic.Int64
	for n := 0; n < count; n++ {
		client.Produce(context.Background(), &kgo.Record{Topic: topic, Value: []byte(fmt.Sprint(n))}, func(record *kgo.Record, err error) {
			if err != nil || record.Offset != int64(n) {
				if wrong.Add(1) < 5 {
					fmt.Printf("FAILED record %d: %v at %d\n", n, err, record.Offset)
				}
			} else if done := acknowledged.Add(1); done%500 == 0 {
				fmt.Println("acknowledged", done)
			}
		})
	}
	if err := client.Flush(context.Background()); err != nil {
		return err
	}
	fmt.Println("acknowledged", acknowledged.Load())
	if wrong.Load() > 0 {
		return fmt.Errorf("%d records failed", wrong.Load())
	}
	return nil
}
