#include "broker/app/node.h"

#include <fmt/core.h>
#include <unistd.h>

#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>
#include <tuple>

#include "broker/app/memory_plan.h"
#include "broker/app/metrics_page.h"
#include "broker/app/open_files.h"
#include "broker/app/shard_unit.h"
#include "broker/listener/http_server.h"
#include "broker/net/address.h"
#include "broker/net/event_loop.h"
#include "broker/net/tcp.h"
#include "broker/shard/thread_mailbox.h"
#include "protocol/base/log.h"

// mimalloc, where the process is linked with it.
extern "C" void mi_collect(bool force) __attribute__((weak));

namespace sluice::broker {
namespace {

constexpr int kMetricsBacklog = 64;
constexpr std::size_t kMessagesATurn = 1024;

/// What to do about it, where that is likely known.
tl::unexpected<Error> cannot_listen(std::string_view setting, std::string_view flag, Error error) {
  if (error.code == Errc::in_use) error.message += fmt::format("; choose another with {}, or stop who has it", flag);
  return fail(setting, std::move(error));
}

/// A disk of the asked-for engine; with `auto` io_uring where it is allowed.
Result<std::unique_ptr<storage::Disk>> open_disk(const std::string& engine) {
  static std::once_flag warned;
  const storage::DiskOptions options;
  if (engine == "threads") return storage::make_thread_disk(options);
  auto uring = storage::make_uring_disk(options);
  if (uring || engine == "uring") return uring;
  std::call_once(warned, [&] {
    log_warn("io_uring can't be used ({}); a thread pool takes over, which costs more CPU", uring.error().message);
  });
  return storage::make_thread_disk(options);
}

[[noreturn]] void exit_at_once(const Error& error) {
  log_error("stopping at once: {}", error.message);
  ::_exit(1);
}

/// An allocator gives what is freed back to the system as it allocates; an idle process does not.
void give_back_memory() {
  if (mi_collect != nullptr) mi_collect(true);
}

/// What serves the metrics: on the first shard's thread, where it takes turns with all else.
struct Metrics {
  Metrics(ShardUnit& unit, Clock& clock)
      : page(unit, clock), server(clock, [this](const HttpRequest& request, UniqueFunction<void(HttpReply)> done) {
          page.get(request, std::move(done));
        }) {}
  MetricsPage page;
  HttpServer server;
};

}  // namespace

/// One shard's thread with what lives on it. `unit` and `disk` are made and destroyed there.
struct Node::Thread {
  explicit Thread(ShardId shard_id, EventLoopOptions options) : id(shard_id), loop(options) {}

  ShardId id;
  EventLoop loop;
  SeededRandom random{os_seed()};
  std::unique_ptr<storage::Disk> disk;
  std::unique_ptr<ShardUnit> unit;
  std::vector<std::unique_ptr<ThreadMailbox>> outgoing;  ///< by receiver
  std::vector<ThreadMailbox*> incoming;                  ///< by sender
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Listener> native_listener;
  std::unique_ptr<Listener> metrics_listener;
  std::unique_ptr<Metrics> metrics;
  std::function<void()> when_ready;
  std::thread thread;

  bool turn() {
    bool worked = false;
    for (ThreadMailbox* mailbox : incoming) worked |= mailbox->drain(kMessagesATurn) > 0;
    if (unit) worked |= unit->turn();
    for (auto& mailbox : outgoing) worked |= mailbox->deliver();
    if (when_ready && unit && unit->ready()) std::exchange(when_ready, nullptr)();
    return worked;
  }
};

Node::Node(Settings settings) : settings_(std::move(settings)) {}
Node::~Node() { stop(); }

Result<void> Node::on_every_shard(const std::function<Result<void>(Thread&)>& step) {
  std::vector<std::promise<Result<void>>> done(threads_.size());
  for (std::size_t i = 0; i < threads_.size(); ++i)
    threads_[i]->loop.post([&step, &thread = *threads_[i], &promise = done[i]] { promise.set_value(step(thread)); });
  Result<void> first;
  for (auto& promise : done) {
    Result<void> result = promise.get_future().get();
    if (!result && first) first = std::move(result);
  }
  return first;
}

void Node::wait_for_every_shard(const std::function<void(Thread&, std::function<void()> done)>& step) {
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t waiting = threads_.size();
  for (auto& thread : threads_)
    thread->loop.post([&, &on = *thread] {
      step(on, [&] {
        const std::lock_guard lock(mutex);
        --waiting;
        changed.notify_one();
      });
    });
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return waiting == 0; });
}

Result<void> Node::prepare_directory() {
  auto lock = DirectoryLock::take(settings_.data_dir);
  if (!lock) return fail(lock.error());
  lock_.emplace(std::move(*lock));
  const std::unique_ptr<storage::Disk> disk = storage::make_thread_disk({});
  auto found = read_identity(*disk, settings_.data_dir);
  if (!found) return fail(found.error());
  if (!*found) {
    SeededRandom random(os_seed());
    const std::uint32_t cores = std::max(1U, std::thread::hardware_concurrency());
    identity_ = new_identity(random, settings_.shards == 0 ? cores : settings_.shards);
    if (auto written = write_unfinished_identity(*disk, settings_.data_dir, identity_); !written) return written;
  } else {
    identity_ = (*found)->identity;
    if (settings_.shards != 0 && settings_.shards != identity_.shards)
      return fail(Errc::config,
                  fmt::format("setting shards = {} is wrong: data directory {} was made with {}, and keeps them",
                              settings_.shards, settings_.data_dir, identity_.shards));
  }
  const bool finished = *found && (*found)->finished;
  if (auto opened = open_threads(!finished); !opened) return opened;
  if (finished) return {};
  return finish_identity(*disk, settings_.data_dir);
}

/// What was asked for and can't be had is said once, and is what clients are told of as well.
void Node::fit_settings() {
  const std::uint32_t shards = identity_.shards;
  const OpenFiles wanted{settings_.kafka_max_connections, settings_.log_max_open_files};
  const std::uint64_t limit = raise_open_files(wanted.needed(shards));
  if (limit < wanted.needed(shards)) {
    const OpenFiles fitted = fit_open_files(wanted, shards, limit);
    log_warn(
        "{} open files are allowed and {} are needed: kafka.max_connections is {} instead of {}, log.max_open_files {} "
        "instead of {}; raise the limit (ulimit -n, LimitNOFILE= of systemd)",
        limit, wanted.needed(shards), fitted.connections, wanted.connections, fitted.segment_files,
        wanted.segment_files);
    settings_.kafka_max_connections = fitted.connections;
    settings_.log_max_open_files = fitted.segment_files;
  }
  const std::uint64_t budget =
      settings_.memory_budget_bytes != 0 ? settings_.memory_budget_bytes : default_memory_budget();
  const std::uint64_t largest = plan_memory(budget, shards, settings_.kafka_max_request_bytes).max_request_bytes;
  if (largest < settings_.kafka_max_request_bytes) {
    log_info("requests of up to {} KiB are taken: that is an eighth of a shard's share of the memory budget of {} MiB",
             largest >> 10, budget >> 20);
    settings_.kafka_max_request_bytes = largest;
  }
}

Result<void> Node::open_threads(bool new_directory) {
  fit_settings();
  const std::uint32_t cores = std::max(1U, std::thread::hardware_concurrency());
  EventLoopOptions loop_options;
  loop_options.spin = identity_.shards > cores ? Nanos(0) : Nanos(std::chrono::microseconds(settings_.loop_spin_us));
  for (std::uint32_t shard = 0; shard < identity_.shards; ++shard)
    threads_.push_back(std::make_unique<Thread>(ShardId(shard), loop_options));
  for (auto& from : threads_)
    for (auto& to : threads_) {
      from->outgoing.push_back(std::make_unique<ThreadMailbox>([&loop = to->loop] { loop.wake(); }));
      to->incoming.push_back(from->outgoing.back().get());
    }
  for (auto& thread : threads_) thread->thread = std::thread([&loop = thread->loop] { loop.run(); });

  auto producers = make_producer_budget(settings_.max_producers);
  auto connections = std::make_shared<ConnectionLimit>(settings_.kafka_max_connections);
  auto unspilled = std::make_shared<UnspilledTotal>();
  auto made = on_every_shard([&](Thread& thread) -> Result<void> {
    auto disk = open_disk(settings_.io_engine);
    if (!disk) return fail(disk.error());
    thread.disk = std::move(*disk);
    if (thread.disk->wake_fd() >= 0)
      thread.loop.watch_fd(thread.disk->wake_fd(), [&loop = thread.loop] { loop.wake(); });
    thread.unit =
        std::make_unique<ShardUnit>(settings_, identity_, thread.id,
                                    UnitSeams{*thread.disk, thread.loop, thread.random, producers,
                                              [&loop = thread.loop] { loop.wake(); }, exit_at_once, give_back_memory,
                                              [&loop = thread.loop] { return loop.stats(); }, connections, unspilled});
    if (new_directory) return thread.unit->format();
    return {};
  });
  if (!made) return made;
  io_engine_ = threads_.front()->disk->name() == "io_uring" ? "uring" : std::string(threads_.front()->disk->name());
  std::vector<ShardUnit*> units;
  for (auto& thread : threads_) units.push_back(thread->unit.get());
  return on_every_shard([&](Thread& thread) -> Result<void> {
    std::vector<Mailbox*> mailboxes;
    for (auto& mailbox : thread.outgoing) mailboxes.push_back(mailbox.get());
    thread.unit->connect(units, std::move(mailboxes));
    return {};
  });
}

Result<Node::Endpoint> Node::open_endpoint(std::string_view setting, std::string_view flag, const std::string& listen,
                                           std::unique_ptr<Listener> Thread::* at) {
  auto address = parse_host_port(setting, listen);
  if (!address) return fail(address.error());
  TcpListenOptions options{.host = address->first, .port = address->second, .reuse_port = threads_.size() > 1};
  // The first one picks the port; the others share it.
  for (auto& thread : threads_) {
    std::promise<Result<void>> done;
    thread->loop.post([&] {
      if (options.reuse_port && thread == threads_.front() && options.port != 0) {
        // A shared port could be shared with another sluiced too, and clients would find now this one and now that.
        TcpListenOptions alone = options;
        alone.reuse_port = false;
        if (auto probe = listen_tcp(thread->loop, alone); !probe)
          return done.set_value(cannot_listen(setting, flag, std::move(probe.error())));
      }
      auto listener = listen_tcp(thread->loop, options);
      if (!listener) return done.set_value(cannot_listen(setting, flag, std::move(listener.error())));
      (*thread).*at = std::move(*listener);
      done.set_value({});
    });
    if (auto opened = done.get_future().get(); !opened) return fail(opened.error());
    options.port = ((*thread).*at)->port();
  }
  Endpoint endpoint{address->first, options.port, {}};
  endpoint.address = host_port_text(endpoint.host.empty() ? "0.0.0.0" : endpoint.host, endpoint.port);
  return endpoint;
}

Result<void> Node::open_listeners() {
  auto kafka = open_endpoint("kafka.listen", "--kafka-listen", settings_.kafka_listen, &Thread::listener);
  if (!kafka) return fail(kafka.error());
  kafka_ = std::move(*kafka);
  if (settings_.native_listen.empty()) return {};
  auto native = open_endpoint("native.listen", "--native-listen", settings_.native_listen, &Thread::native_listener);
  if (!native) return fail(native.error());
  native_ = std::move(*native);
  return {};
}

Result<void> Node::open_metrics() {
  if (settings_.metrics_listen.empty()) return {};
  auto address = parse_host_port("metrics.listen", settings_.metrics_listen);
  if (!address) return fail(address.error());
  const TcpListenOptions options{
      .host = address->first, .port = address->second, .reuse_port = false, .backlog = kMetricsBacklog};
  std::promise<Result<void>> done;
  Thread& thread = *threads_.front();
  thread.loop.post([&] {
    auto listener = listen_tcp(thread.loop, options);
    if (!listener)
      return done.set_value(cannot_listen("metrics.listen", "--metrics-listen", std::move(listener.error())));
    thread.metrics_listener = std::move(*listener);
    done.set_value({});
  });
  if (auto opened = done.get_future().get(); !opened) return opened;
  metrics_address_ =
      host_port_text(address->first.empty() ? "0.0.0.0" : address->first, thread.metrics_listener->port());
  return {};
}

Result<std::pair<std::string, int>> Node::advertised(std::string_view setting, const std::string& advertise,
                                                     const Endpoint& endpoint) {
  if (!advertise.empty()) {
    const bool with_port = advertise.find(':') != std::string::npos;
    return parse_host_port(setting, with_port ? advertise : fmt::format("{}:{}", advertise, endpoint.port));
  }
  if (!endpoint.host.empty() && endpoint.host != "0.0.0.0" && endpoint.host != "::")
    return std::pair(endpoint.host, endpoint.port);
  log_warn(
      "clients are told to connect to localhost: those of other machines need {}, the name by which they reach this "
      "one",
      setting);
  return std::pair(std::string("localhost"), endpoint.port);
}

Result<void> Node::announce() {
  NodeInfo self;
  self.id = identity_.node;
  auto kafka = advertised("kafka.advertise", settings_.kafka_advertise, kafka_);
  if (!kafka) return fail(kafka.error());
  std::tie(self.kafka_host, self.kafka_port) = *kafka;
  if (native_.port != 0) {
    auto native = advertised("native.advertise", settings_.native_advertise, native_);
    if (!native) return fail(native.error());
    std::tie(self.native_host, self.native_port) = *native;
  }
  std::promise<Result<void>> done;
  Thread& controller = *threads_[0];  // group 0 is pinned to shard 0
  controller.loop.post(
      [&] { controller.unit->announce_node(self, [&](Result<void> result) { done.set_value(std::move(result)); }); });
  if (auto announced = done.get_future().get(); !announced) return announced;
  // A client of any shard is to see this life's address and who leads, so nobody listens before all know.
  wait_for_every_shard(
      [](Thread& thread, std::function<void()> told) { thread.unit->when_all_were_told(std::move(told)); });
  return on_every_shard([&](Thread& thread) -> Result<void> {
    thread.unit->kafka().listen(std::move(thread.listener));
    if (thread.native_listener) thread.unit->native().listen(std::move(thread.native_listener));
    if (thread.metrics_listener) {
      thread.metrics = std::make_unique<Metrics>(*thread.unit, thread.loop);
      thread.metrics->server.listen(std::move(thread.metrics_listener));
    }
    return {};
  });
}

Result<void> Node::start() {
  if (auto prepared = prepare_directory(); !prepared) return prepared;
  if (auto opened = open_listeners(); !opened) return opened;
  if (auto opened = open_metrics(); !opened) return opened;
  auto recovered = on_every_shard([](Thread& thread) -> Result<void> {
    auto result = thread.unit->recover();
    if (!result) return result;
    thread.loop.set_turn_hook([&thread] { return thread.turn(); });
    return {};
  });
  if (!recovered) return recovered;
  wait_for_every_shard([](Thread& thread, std::function<void()> done) { thread.when_ready = std::move(done); });
  return announce();
}

void Node::stop() {
  end_threads();
  lock_.reset();
}

void Node::end_threads() {
  if (threads_.empty()) return;
  (void)on_every_shard([](Thread& thread) -> Result<void> {
    thread.metrics_listener.reset();
    thread.metrics.reset();
    return {};
  });
  const bool served = std::ranges::all_of(threads_, [](const auto& t) { return t->unit && t->unit->ready(); });
  if (served) {
    wait_for_every_shard(
        [](Thread& thread, std::function<void()> done) { thread.unit->drain_requests(std::move(done)); });
    wait_for_every_shard(
        [](Thread& thread, std::function<void()> done) { thread.unit->drain_storage(std::move(done)); });
  }
  // Units see each other through messages until all of them are idle; then each goes on its own thread.
  (void)on_every_shard([](Thread& thread) -> Result<void> {
    thread.loop.set_turn_hook({});
    thread.listener.reset();
    thread.native_listener.reset();
    return {};
  });
  (void)on_every_shard([](Thread& thread) -> Result<void> {
    thread.unit.reset();
    if (thread.disk && thread.disk->wake_fd() >= 0) thread.loop.unwatch_fd(thread.disk->wake_fd());
    thread.disk.reset();
    return {};
  });
  for (auto& thread : threads_) {
    thread->loop.stop();
    if (thread->thread.joinable()) thread->thread.join();
  }
  threads_.clear();
}

}  // namespace sluice::broker
