#include "store/lmdb_pins.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "base/text.hpp"
#include "store/guest_wire.hpp"

namespace cloudos::store::lmdb {

namespace {

constexpr std::size_t kEpochDigits = 20;
constexpr std::size_t kPinRounds = 200;

std::string read_epoch_file(int fd) {
  char text[64];
  const auto got = ::pread(fd, text, sizeof text, 0);
  return got <= 0 ? std::string() : std::string(text, static_cast<std::size_t>(got));
}

std::uint64_t parse_epoch(std::string_view text) {
  std::string_view digits = text.substr(0, kEpochDigits);
  while (digits.size() > 1 && digits.front() == '0') digits.remove_prefix(1);
  return text.size() < kEpochDigits ? 0 : parse_unsigned(digits).value_or(0);
}

}  // namespace

Pins::~Pins() {
  LockGuard lock(mutex_);
  for (const auto& [id, held] : held_) env_->end_read(held.reader);
}

Result<std::shared_ptr<const PageFile>> Pins::file(const std::filesystem::path& folder) {
  LockGuard lock(mutex_);
  if (!file_) {
    CLOUDOS_TRY(file_, PageFile::open(folder));
  }
  return file_;
}

Result<PinnedCommit> Pins::pin(const std::filesystem::path& folder, std::uint64_t least) {
  sweep();
  CLOUDOS_TRY(const auto pages, file(folder));
  // Commits may overtake between the two looks; each time the reader holds newer ones.
  for (std::size_t round = 0; round < kPinRounds; ++round) {
    CLOUDOS_TRY(const Reader reader, env_->begin_read());
    if (mdb_txn_id(reader.txn) < least) {
      // The commit is in the file; LMDB tells its readers once the disk has it.
      env_->end_read(reader);
      std::this_thread::sleep_for(std::chrono::microseconds{500});
      continue;
    }
    const auto commit = pages->find(mdb_txn_id(reader.txn));
    if (!commit || !*commit) {
      env_->end_read(reader);
      if (!commit) return fail(commit.error());
      continue;
    }
    LockGuard lock(mutex_);
    if (held_.size() >= limits::kGuestPins) {
      env_->end_read(reader);
      return fail(ErrorCode::Unavailable, "too many snapshots of the store are open in guests");
    }
    const std::int64_t now = guest::now_ns();
    const std::int64_t expires = now + lease_;
    held_.emplace(++last_, Held{reader, now, expires});
    note_earliest();
    return PinnedCommit{last_, **commit, expires};
  }
  return fail(ErrorCode::Unavailable, "the store is too busy to hold a snapshot");
}

Result<std::int64_t> Pins::renew(std::uint64_t id) {
  sweep();
  LockGuard lock(mutex_);
  const auto found = held_.find(id);
  if (found == held_.end())
    return fail(ErrorCode::Stale, "the snapshot has ended; take a new one", "pin");
  const std::int64_t most = found->second.begun + guest::in_ns(limits::kGuestPinMost);
  found->second.expires = std::min(most, guest::now_ns() + lease_);
  note_earliest();
  return found->second.expires;
}

void Pins::unpin(std::uint64_t id) {
  LockGuard lock(mutex_);
  const auto found = held_.find(id);
  if (found == held_.end()) return;
  env_->end_read(found->second.reader);
  held_.erase(found);
  note_earliest();
}

std::uint64_t Pins::count() const {
  LockGuard lock(mutex_);
  return held_.size();
}

void Pins::sweep() {
  const std::int64_t now = guest::now_ns();
  if (now < earliest_.load(std::memory_order_relaxed)) return;
  LockGuard lock(mutex_);
  for (auto held = held_.begin(); held != held_.end();) {
    if (held->second.expires > now) {
      ++held;
      continue;
    }
    env_->end_read(held->second.reader);
    held = held_.erase(held);
  }
  note_earliest();
}

void Pins::note_earliest() {
  std::int64_t earliest = INT64_MAX;
  for (const auto& [id, held] : held_) earliest = std::min(earliest, held.expires);
  earliest_.store(earliest, std::memory_order_relaxed);
}

Result<std::uint64_t> begin_epoch(int folder) {
  const Descriptor fd(::openat(folder, "owner", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (fd.get() < 0) return fail(lmdb_error(errno, "open owner"));
  const std::uint64_t epoch = parse_epoch(read_epoch_file(fd.get())) + 1;
  // The same length each time, so that no guest sees half of it.
  const std::string text = fmt::format("{:020} {:10}\n", epoch, ::getpid());
  const auto written = ::pwrite(fd.get(), text.data(), text.size(), 0);
  if (written != static_cast<ssize_t>(text.size()))
    return fail(lmdb_error(written < 0 ? errno : ENOSPC, "write owner"));
  return epoch;
}

Result<std::shared_ptr<const EpochFile>> EpochFile::open(const std::filesystem::path& folder) {
  const auto made = std::make_shared<EpochFile>();
  made->file_ = Descriptor(::open((folder / "owner").c_str(), O_RDONLY | O_CLOEXEC));
  if (made->file_.get() < 0) return fail(lmdb_error(errno, "open owner"));
  return made;
}

std::uint64_t EpochFile::now() const {
  return parse_epoch(read_epoch_file(file_.get()));
}

int EpochFile::process() const {
  const std::string text = read_epoch_file(file_.get());
  if (text.size() <= kEpochDigits) return 0;
  return static_cast<int>(parse_unsigned(trim(text.substr(kEpochDigits))).value_or(0));
}

}  // namespace cloudos::store::lmdb
