// A node's settings as Kafka's tools are told of them: each under its own name, and those that Kafka knows under
// Kafka's name too. They can only be read. Stateless.
#pragma once

#include <vector>

#include "broker/app/data_directory.h"
#include "broker/app/settings.h"
#include "broker/service/broker_api.h"

namespace sluice::broker {

std::vector<NodeSetting> describe_node_settings(const Settings& settings, const NodeIdentity& identity);

}  // namespace sluice::broker
