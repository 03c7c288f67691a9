#include "image/pipeline.hpp"

#include <array>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <vector>

#include "cloudos/limits.hpp"

namespace cloudos::image {
namespace {

constexpr std::size_t kLanes = 2;  // md5, sha512

using Piece = std::shared_ptr<std::vector<std::byte>>;

}  // namespace

/// Shared by the pipeline and by closures in the executor. std::mutex: conditions need it.
struct DigestPipeline::Shared {
  struct Lane {
    explicit Lane(Digest the_digest) : digest(std::move(the_digest)) {}
    Digest digest;
    std::deque<Piece> waiting;
    bool busy = false;    // A thread is at it: only that one touches the digest.
    bool posted = false;  // A closure is on its way.
  };
  Shared(Digest md5, Digest sha512) : lanes{Lane(std::move(md5)), Lane(std::move(sha512))} {}

  std::mutex mutex;
  std::condition_variable moved;  // A piece is hashed.
  std::array<Lane, kLanes> lanes;
  std::vector<Piece> spare;
  std::size_t pieces = 0;  // Waiting in any lane.
  std::optional<Error> broken;
  bool over = false;

  /// Under the lock, which it lets go meanwhile: hashes the lane's first piece.
  void step(Lane& lane, std::unique_lock<std::mutex>& lock) {
    const Piece piece = lane.waiting.front();
    lane.busy = true;
    lock.unlock();
    auto done = lane.digest.update(*piece);
    lock.lock();
    lane.busy = false;
    lane.waiting.pop_front();
    if (!done && !broken) broken = std::move(done).error();
    bool needed = false;
    for (const Lane& other : lanes)
      for (const Piece& still : other.waiting) needed = needed || still == piece;
    if (!needed) {
      --pieces;
      spare.push_back(piece);
    }
    moved.notify_all();
  }
  /// A lane that waits for a thread; null: none does.
  Lane* idle_lane() {
    for (Lane& lane : lanes)
      if (!lane.busy && !lane.waiting.empty()) return &lane;
    return nullptr;
  }
  /// In place of a thread that has not come, or until one has got on.
  void help(std::unique_lock<std::mutex>& lock) {
    if (Lane* const lane = idle_lane())
      step(*lane, lock);
    else
      moved.wait(lock);
  }
  /// An empty one, once there is room for it.
  Piece next_piece() {
    std::unique_lock lock(mutex);
    while (pieces >= limits::kImageHashBuffers) help(lock);
    Piece piece;
    if (!spare.empty()) {
      piece = std::move(spare.back());
      spare.pop_back();
    }
    if (!piece) piece = std::make_shared<std::vector<std::byte>>();
    piece->clear();
    piece->reserve(limits::kImageChunkBytes);
    return piece;
  }

  Piece filling;  // Of the caller alone: small pieces would cost more than they bring.
};

DigestPipeline::DigestPipeline(Executor& executor, std::shared_ptr<Shared> shared)
    : executor_(executor), shared_(std::move(shared)) {}

Result<std::unique_ptr<DigestPipeline>> DigestPipeline::make(Executor& executor) {
  CLOUDOS_TRY(Digest md5, Digest::make("md5"));
  CLOUDOS_TRY(Digest sha512, Digest::make("sha512"));
  auto shared = std::make_shared<Shared>(std::move(md5), std::move(sha512));
  return std::unique_ptr<DigestPipeline>(new DigestPipeline(executor, std::move(shared)));
}

DigestPipeline::~DigestPipeline() {
  const std::lock_guard lock(shared_->mutex);
  shared_->over = true;
}

void DigestPipeline::wake(std::size_t lane) {
  executor_.post([shared = shared_, lane] {
    std::unique_lock lock(shared->mutex);
    Shared::Lane& mine = shared->lanes[lane];
    mine.posted = false;
    while (!shared->over && !mine.busy && !mine.waiting.empty()) shared->step(mine, lock);
  });
}

Result<void> DigestPipeline::update(std::span<const std::byte> bytes) {
  total_ += bytes.size();
  if (total_ <= limits::kImageHashAlone || executor_.threads() == 0) {
    for (Shared::Lane& lane : shared_->lanes) CLOUDOS_CHECK(lane.digest.update(bytes));
    return Result<void>();
  }
  while (!bytes.empty()) {
    Piece& filling = shared_->filling;
    if (!filling) filling = shared_->next_piece();
    const auto room = std::min(bytes.size(), limits::kImageChunkBytes - filling->size());
    filling->insert(filling->end(), bytes.begin(), bytes.begin() + static_cast<long>(room));
    bytes = bytes.subspan(room);
    if (filling->size() == limits::kImageChunkBytes) CLOUDOS_CHECK(hand_over());
  }
  return Result<void>();
}

/// Gives the piece that was filled to the lanes.
Result<void> DigestPipeline::hand_over() {
  const Piece piece = std::move(shared_->filling);
  if (!piece) return Result<void>();
  std::array<bool, kLanes> wanted{};
  {
    const std::lock_guard lock(shared_->mutex);
    if (shared_->broken) return fail(*shared_->broken);
    ++shared_->pieces;
    for (std::size_t i = 0; i < kLanes; ++i) {
      Shared::Lane& lane = shared_->lanes[i];
      lane.waiting.push_back(piece);
      wanted[i] = !lane.busy && !lane.posted;
      if (wanted[i]) lane.posted = true;
    }
  }
  for (std::size_t i = 0; i < kLanes; ++i)
    if (wanted[i]) wake(i);
  return Result<void>();
}

Result<Digests::Values> DigestPipeline::finish() {
  CLOUDOS_CHECK(hand_over());
  std::unique_lock lock(shared_->mutex);
  while (shared_->pieces > 0) shared_->help(lock);
  if (shared_->broken) return fail(*shared_->broken);
  Digests::Values values;
  CLOUDOS_TRY(values.md5, shared_->lanes[0].digest.finish());
  CLOUDOS_TRY(values.sha512, shared_->lanes[1].digest.finish());
  return values;
}

}  // namespace cloudos::image
