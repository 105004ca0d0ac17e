// DeleteRecords: the start of a partition's log is moved by a command of its group, so that every replica, and every
// start after a crash, has it where it was acknowledged. Owner: ShardServices.
#pragma once

#include <vector>

#include "broker/service/service_context.h"

namespace sluice::broker {

class DeleteRecordsService {
 public:
  explicit DeleteRecordsService(ServiceContext& context) : context_(context) {}

  void remove(std::vector<DeleteRecordsPart> parts, Millis limit,
              UniqueFunction<void(std::vector<DeleteRecordsResult>)> done);

 private:
  ServiceContext& context_;
};

}  // namespace sluice::broker
