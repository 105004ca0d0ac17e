// What clients are told: the mapping row by row where its choice matters, and rules that hold for all of it.
#include "protocol/kafka/error_codes.h"

#include <gtest/gtest.h>

#include <set>

namespace sluice::kafka::test {
namespace {

/// Every Errc; `internal` is the last of them.
std::vector<Errc> all_errors() {
  std::vector<Errc> all;
  for (int i = 0; i <= static_cast<int>(Errc::internal); ++i) all.push_back(static_cast<Errc>(i));
  return all;
}

TEST(ErrorCodes, HaveKafkasNumbers) {
  EXPECT_EQ(static_cast<int>(ErrorCode::unknown_server_error), -1);
  EXPECT_EQ(static_cast<int>(ErrorCode::not_leader_or_follower), 6);
  EXPECT_EQ(static_cast<int>(ErrorCode::coordinator_load_in_progress), 14);
  EXPECT_EQ(static_cast<int>(ErrorCode::invalid_config), 40);
  EXPECT_EQ(static_cast<int>(ErrorCode::kafka_storage_error), 56);
  EXPECT_EQ(static_cast<int>(ErrorCode::fetch_session_id_not_found), 70);
  EXPECT_EQ(static_cast<int>(ErrorCode::unknown_topic_id), 100);
  EXPECT_EQ(static_cast<int>(ErrorCode::transaction_abortable), 120);
  EXPECT_EQ(error_name(ErrorCode::offset_not_available), "offset_not_available");
  EXPECT_EQ(error_name(static_cast<ErrorCode>(9999)), "unknown");
}

TEST(ErrorCodes, OfProduce) {
  const auto produce = [](Errc code) { return static_cast<int>(to_kafka(code, ApiKey::produce, 9)); };
  EXPECT_EQ(produce(Errc::malformed), 87);
  EXPECT_EQ(produce(Errc::corrupt), 2);
  EXPECT_EQ(produce(Errc::unsupported), 76);
  EXPECT_EQ(static_cast<int>(to_kafka(Errc::unsupported, ApiKey::produce, 2)), 35);
  EXPECT_EQ(produce(Errc::too_large), 10);
  EXPECT_EQ(produce(Errc::unknown_topic), 3);
  EXPECT_EQ(produce(Errc::out_of_order_sequence), 45);
  EXPECT_EQ(produce(Errc::invalid_producer_epoch), 47);
  EXPECT_EQ(produce(Errc::duplicate_sequence), 46);
  EXPECT_EQ(produce(Errc::invalid_timestamp), 32);
  EXPECT_EQ(produce(Errc::invalid_record), 87);
  EXPECT_EQ(produce(Errc::not_leader), 6);
  EXPECT_EQ(produce(Errc::leadership_lost), 7);
  EXPECT_EQ(produce(Errc::not_ready), 5);
  EXPECT_EQ(produce(Errc::busy), 7);
  EXPECT_EQ(produce(Errc::no_space), 56);
  EXPECT_EQ(produce(Errc::limit_reached), 7) << "a producer beyond the cap waits";
  EXPECT_EQ(produce(Errc::timed_out), 7);
  EXPECT_EQ(produce(Errc::io_error), 56);
  EXPECT_EQ(static_cast<int>(to_kafka(Errc::no_space, ApiKey::produce, 3)), 6) << "56 is not known yet";
  EXPECT_EQ(produce(Errc::internal), -1);
}

TEST(ErrorCodes, OfReading) {
  const auto code = [](Errc error, ApiKey api, std::int16_t version) {
    return static_cast<int>(to_kafka(error, api, version));
  };
  EXPECT_EQ(code(Errc::offset_out_of_range, ApiKey::fetch, 12), 1);
  EXPECT_EQ(code(Errc::offset_not_available, ApiKey::fetch, 12), 78);
  EXPECT_EQ(code(Errc::offset_not_available, ApiKey::fetch, 9), 6);
  EXPECT_EQ(code(Errc::offset_not_available, ApiKey::list_offsets, 5), 78);
  EXPECT_EQ(code(Errc::offset_not_available, ApiKey::list_offsets, 4), 5);
  EXPECT_EQ(code(Errc::not_ready, ApiKey::offset_for_leader_epoch, 4), 5);
  EXPECT_EQ(code(Errc::fenced_leader_epoch, ApiKey::fetch, 9), 74);
  EXPECT_EQ(code(Errc::fenced_leader_epoch, ApiKey::fetch, 8), 6);
  EXPECT_EQ(code(Errc::unknown_leader_epoch, ApiKey::list_offsets, 4), 75);
  EXPECT_EQ(code(Errc::unknown_topic_id, ApiKey::fetch, 13), 100);
  EXPECT_EQ(code(Errc::unknown_topic_id, ApiKey::fetch, 12), 3);
  EXPECT_EQ(code(Errc::corrupt, ApiKey::fetch, 12), 56) << "damage here; 2 would stop a consumer";
  EXPECT_EQ(code(Errc::io_error, ApiKey::fetch, 6), 56);
  EXPECT_EQ(code(Errc::io_error, ApiKey::fetch, 5), 6) << "56 is not known yet";
  EXPECT_EQ(code(Errc::not_ready, ApiKey::metadata, 9), 5);
}

TEST(ErrorCodes, OfCoordinationAndAdministration) {
  const auto code = [](Errc error, ApiKey api, std::int16_t version) {
    return static_cast<int>(to_kafka(error, api, version));
  };
  EXPECT_EQ(code(Errc::not_ready, ApiKey::find_coordinator, 3), 15);
  EXPECT_EQ(code(Errc::not_ready, ApiKey::init_producer_id, 3), 14);
  EXPECT_EQ(code(Errc::invalid_producer_epoch, ApiKey::init_producer_id, 3), 47);
  EXPECT_EQ(code(Errc::invalid_producer_epoch, ApiKey::init_producer_id, 4), 90);
  EXPECT_EQ(code(Errc::limit_reached, ApiKey::init_producer_id, 4), 14);
  EXPECT_EQ(code(Errc::topic_exists, ApiKey::create_topics, 7), 36);
  EXPECT_EQ(code(Errc::invalid_topic, ApiKey::create_topics, 7), 17);
  EXPECT_EQ(code(Errc::invalid_argument, ApiKey::create_topics, 7), 39);
  EXPECT_EQ(code(Errc::invalid_argument, ApiKey::create_partitions, 3), 39);
  EXPECT_EQ(code(Errc::config, ApiKey::create_topics, 7), 40);
  EXPECT_EQ(code(Errc::limit_reached, ApiKey::create_topics, 7), 44);
  EXPECT_EQ(code(Errc::limit_reached, ApiKey::create_partitions, 3), 37);
  EXPECT_EQ(code(Errc::not_leader, ApiKey::create_topics, 7), 41);
  EXPECT_EQ(code(Errc::busy, ApiKey::create_topics, 6), 89);
  EXPECT_EQ(code(Errc::busy, ApiKey::create_topics, 5), 7);
  EXPECT_EQ(code(Errc::busy, ApiKey::delete_topics, 5), 89);
  EXPECT_EQ(code(Errc::unknown_topic_id, ApiKey::delete_topics, 6), 100);
  EXPECT_EQ(code(Errc::invalid_argument, ApiKey::incremental_alter_configs, 1), 40);
}

TEST(ErrorCodes, AFetchGetsOnlyWhatTheJavaConsumerExpects) {
  const std::set<int> expected = {-1, 1, 2, 3, 6, 9, 29, 56, 74, 75, 76, 78, 100, 103};
  for (const Errc error : all_errors()) {
    for (std::int16_t version = 4; version <= 16; ++version) {
      EXPECT_TRUE(expected.contains(static_cast<int>(to_kafka(error, ApiKey::fetch, version)))) << errc_name(error);
    }
  }
}

TEST(ErrorCodes, AnErrorIsNeverSuccessAndQuotaOnlyWhereClientsKnowIt) {
  for (const ApiInfo& api : kApis) {
    for (std::int16_t version = api.min; version <= api.max; ++version) {
      for (const Errc error : all_errors()) {
        const ErrorCode code = to_kafka(error, api.key, version);
        EXPECT_NE(code, ErrorCode::none) << api.name << " " << errc_name(error);
        if (api.key != ApiKey::create_topics && api.key != ApiKey::delete_topics &&
            api.key != ApiKey::create_partitions) {
          EXPECT_NE(code, ErrorCode::throttling_quota_exceeded) << api.name << " " << errc_name(error);
        }
      }
    }
  }
}

}  // namespace
}  // namespace sluice::kafka::test
