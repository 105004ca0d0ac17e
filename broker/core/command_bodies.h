// The bodies of commands other than append, as Protobuf. Internal to broker/core: commands.cc frames them.
#pragma once

#include <string>

#include "broker/core/commands.h"
#include "protocol/base/bytes.h"
#include "protocol/base/error.h"

namespace sluice::broker {

CommandKind kind_of(const Command& command);
std::string encode_body(const Command& command);
/// The command of that kind whose body these bytes are. Errors: malformed (also for append and unknown kinds).
Result<Command> decode_body(CommandKind kind, ByteSpan body);

}  // namespace sluice::broker
