// All messages, and the step from an API key, known at run time, to its two types.
// Owner: protocol/kafka.
#pragma once

#include "protocol/kafka/api_versions.h"
#include "protocol/kafka/configs.h"
#include "protocol/kafka/create_partitions.h"
#include "protocol/kafka/create_topics.h"
#include "protocol/kafka/delete_records.h"
#include "protocol/kafka/delete_topics.h"
#include "protocol/kafka/describe_cluster.h"
#include "protocol/kafka/describe_log_dirs.h"
#include "protocol/kafka/fetch.h"
#include "protocol/kafka/find_coordinator.h"
#include "protocol/kafka/init_producer_id.h"
#include "protocol/kafka/list_offsets.h"
#include "protocol/kafka/metadata.h"
#include "protocol/kafka/offset_for_leader_epoch.h"
#include "protocol/kafka/produce.h"

namespace sluice::kafka {

/// The two messages of one API, as an argument that carries only types.
template <class RequestType, class ResponseType>
struct ApiMessages {
  using Request = RequestType;
  using Response = ResponseType;
};

/// Calls `visit(ApiMessages<Request, Response>{})` for the API of that key; false when there is none.
template <class Visit>
bool visit_messages(ApiKey key, Visit&& visit) {
  const auto go = [&]<class Request, class Response>() { visit(ApiMessages<Request, Response>{}); };
  switch (key) {
    case ApiKey::produce: go.template operator()<ProduceRequest, ProduceResponse>(); return true;
    case ApiKey::fetch: go.template operator()<FetchRequest, FetchResponse>(); return true;
    case ApiKey::list_offsets: go.template operator()<ListOffsetsRequest, ListOffsetsResponse>(); return true;
    case ApiKey::metadata: go.template operator()<MetadataRequest, MetadataResponse>(); return true;
    case ApiKey::find_coordinator:
      go.template operator()<FindCoordinatorRequest, FindCoordinatorResponse>();
      return true;
    case ApiKey::api_versions: go.template operator()<ApiVersionsRequest, ApiVersionsResponse>(); return true;
    case ApiKey::create_topics: go.template operator()<CreateTopicsRequest, CreateTopicsResponse>(); return true;
    case ApiKey::delete_topics: go.template operator()<DeleteTopicsRequest, DeleteTopicsResponse>(); return true;
    case ApiKey::delete_records: go.template operator()<DeleteRecordsRequest, DeleteRecordsResponse>(); return true;
    case ApiKey::init_producer_id: go.template operator()<InitProducerIdRequest, InitProducerIdResponse>(); return true;
    case ApiKey::offset_for_leader_epoch:
      go.template operator()<OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse>();
      return true;
    case ApiKey::describe_configs:
      go.template operator()<DescribeConfigsRequest, DescribeConfigsResponse>();
      return true;
    case ApiKey::alter_configs: go.template operator()<AlterConfigsRequest, AlterConfigsResponse>(); return true;
    case ApiKey::describe_log_dirs:
      go.template operator()<DescribeLogDirsRequest, DescribeLogDirsResponse>();
      return true;
    case ApiKey::create_partitions:
      go.template operator()<CreatePartitionsRequest, CreatePartitionsResponse>();
      return true;
    case ApiKey::incremental_alter_configs:
      go.template operator()<IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse>();
      return true;
    case ApiKey::describe_cluster:
      go.template operator()<DescribeClusterRequest, DescribeClusterResponse>();
      return true;
  }
  return false;
}

}  // namespace sluice::kafka
