#include "broker/listener/handlers.h"

#include <algorithm>
#include <array>

namespace sluice::broker {

namespace {

using kafka::ApiKey;

struct Route {
  ApiKey api;
  Handler handler;
};
constexpr std::array kRoutes = {
    Route{ApiKey::produce, handle_produce},
    Route{ApiKey::fetch, handle_fetch},
    Route{ApiKey::list_offsets, handle_list_offsets},
    Route{ApiKey::metadata, handle_metadata},
    Route{ApiKey::find_coordinator, handle_find_coordinator},
    Route{ApiKey::api_versions, handle_api_versions},
    Route{ApiKey::create_topics, handle_create_topics},
    Route{ApiKey::delete_topics, handle_delete_topics},
    Route{ApiKey::delete_records, handle_delete_records},
    Route{ApiKey::init_producer_id, handle_init_producer_id},
    Route{ApiKey::offset_for_leader_epoch, handle_offset_for_leader_epoch},
    Route{ApiKey::describe_configs, handle_describe_configs},
    Route{ApiKey::alter_configs, handle_alter_configs},
    Route{ApiKey::describe_log_dirs, handle_describe_log_dirs},
    Route{ApiKey::create_partitions, handle_create_partitions},
    Route{ApiKey::incremental_alter_configs, handle_incremental_alter_configs},
    Route{ApiKey::describe_cluster, handle_describe_cluster},
};

constexpr bool has_route(ApiKey api) {
  return std::any_of(kRoutes.begin(), kRoutes.end(), [api](const Route& route) { return route.api == api; });
}
static_assert(std::all_of(kafka::kApis.begin(), kafka::kApis.end(),
                          [](const kafka::ApiInfo& api) { return api.served == has_route(api.key); }),
              "what is advertised has a handler, and the other way round");

}  // namespace

Handler find_handler(ApiKey api, std::int16_t version) {
  const kafka::ApiInfo* info = kafka::find_api(api);
  if (!info || (!info->supports(version) && api != ApiKey::api_versions)) return nullptr;
  for (const Route& route : kRoutes) {
    if (route.api == api) return route.handler;
  }
  return nullptr;
}

}  // namespace sluice::broker
