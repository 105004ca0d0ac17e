#include "broker/app/metrics_page.h"

#include <iterator>
#include <memory>
#include <utility>

#include "broker/app/metrics_text.h"

namespace sluice::broker {
namespace {

constexpr std::size_t kEnoughForAPiece = 4U << 10;  // a turn of the loop makes one piece: some 0.2 ms

class MetricsBody final : public HttpBody, public std::enable_shared_from_this<MetricsBody> {
 public:
  MetricsBody(ShardUnit& unit, NodeSnapshot node, ProcessStats process, bool with_partitions)
      : unit_(unit), node_(std::move(node)), process_(process), with_partitions_(with_partitions) {}

  void next(UniqueFunction<void(Result<Piece>)> done) override {
    if (family_ < family_count()) return done(families());
    const auto figure = static_cast<PartitionFigure>(figure_);
    unit_.partition_values(cursor_, MetricsPage::kPartitionsAtOnce, figure,
                           [weak = weak_from_this(), done = std::move(done)](PartitionPage page) mutable {
                             if (const auto self = weak.lock()) done(self->partitions(std::move(page)));
                           });
  }

 private:
  Piece families() {
    Piece piece;
    for (std::size_t bytes = 0; family_ < family_count() && bytes < kEnoughForAPiece; ++family_)
      for (SharedBytes& text : render_family(family_, node_, process_)) {
        bytes += text.size();
        piece.bytes.push_back(std::move(text));
      }
    piece.last = family_ == family_count() && !with_partitions_;
    return piece;
  }

  Piece partitions(PartitionPage page) {
    Piece piece;
    piece.bytes = render_partitions(static_cast<PartitionFigure>(figure_), page.values, first_page_);
    first_page_ &= page.values.empty();
    cursor_ = std::move(page.next);
    if (!cursor_.topic.empty()) return piece;
    first_page_ = true;
    piece.last = ++figure_ == kPartitionFigures;
    return piece;
  }

  ShardUnit& unit_;
  const NodeSnapshot node_;
  const ProcessStats process_;
  const bool with_partitions_;
  std::size_t family_ = 0;
  std::size_t figure_ = 0;
  PartitionCursor cursor_;
  bool first_page_ = true;
};

/// HttpReply owns its body alone; messages between shards must be able to outlive that.
class SharedBody final : public HttpBody {
 public:
  explicit SharedBody(std::shared_ptr<MetricsBody> body) : body_(std::move(body)) {}
  void next(UniqueFunction<void(Result<Piece>)> done) override { body_->next(std::move(done)); }

 private:
  std::shared_ptr<MetricsBody> body_;
};

}  // namespace

void MetricsPage::get(const HttpRequest& request, UniqueFunction<void(HttpReply)> done) {
  if (request.path != "/metrics") return done(http_error(404, "there is /metrics here, and nothing else"));
  struct Call {
    UniqueFunction<void(HttpReply)> done;
    Clock::TimerId timer = 0;
  };
  auto call = std::make_shared<Call>();
  call->done = std::move(done);
  call->timer = clock_.call_after(kAnswerLimit, [call] {
    if (call->done) std::exchange(call->done, nullptr)(http_error(503, "a shard did not say in time how it stands"));
  });
  unit_.collect([this, call, with_partitions = query_has(request.query, "partitions", "1")](NodeSnapshot node) {
    if (!call->done) return;
    clock_.cancel(call->timer);
    HttpReply reply;
    reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
    reply.body = std::make_unique<SharedBody>(
        std::make_shared<MetricsBody>(unit_, std::move(node), process_stats(start_time_ms_), with_partitions));
    std::exchange(call->done, nullptr)(std::move(reply));
  });
}

}  // namespace sluice::broker
