// All messages, and the step from an API key, known at run time, to its two types.
// Owner: protocol/kafka.
#pragma once

#include "protocol/kafka/api_versions.h"
#include "protocol/kafka/create_topics.h"
#include "protocol/kafka/delete_topics.h"
#include "protocol/kafka/fetch.h"
#include "protocol/kafka/find_coordinator.h"
#include "protocol/kafka/init_producer_id.h"
#include "protocol/kafka/list_offsets.h"
#include "protocol/kafka/metadata.h"
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
  switch (key) {
    case ApiKey::produce: visit(ApiMessages<ProduceRequest, ProduceResponse>{}); return true;
    case ApiKey::fetch: visit(ApiMessages<FetchRequest, FetchResponse>{}); return true;
    case ApiKey::list_offsets: visit(ApiMessages<ListOffsetsRequest, ListOffsetsResponse>{}); return true;
    case ApiKey::metadata: visit(ApiMessages<MetadataRequest, MetadataResponse>{}); return true;
    case ApiKey::find_coordinator: visit(ApiMessages<FindCoordinatorRequest, FindCoordinatorResponse>{}); return true;
    case ApiKey::api_versions: visit(ApiMessages<ApiVersionsRequest, ApiVersionsResponse>{}); return true;
    case ApiKey::create_topics: visit(ApiMessages<CreateTopicsRequest, CreateTopicsResponse>{}); return true;
    case ApiKey::delete_topics: visit(ApiMessages<DeleteTopicsRequest, DeleteTopicsResponse>{}); return true;
    case ApiKey::init_producer_id: visit(ApiMessages<InitProducerIdRequest, InitProducerIdResponse>{}); return true;
    default: return false;
  }
}

}  // namespace sluice::kafka
