#include "store/lmdb_pages.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>

namespace cloudos::store::lmdb {

namespace {

// The file holds the machine's own integers; LMDB's files do not travel between byte orders either.
template <class T>
T native(std::string_view bytes, std::size_t offset) {
  CLOUDOS_ASSERT(offset + sizeof(T) <= bytes.size());
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

// Page: number 8, pad 2, flags 2, lower 2, upper 2 (or overflow pages 4), then node offsets 2 each.
constexpr std::size_t kPageHeader = 16, kFlagsAt = 10, kLowerAt = 12;
constexpr std::uint16_t kBranchPage = 1, kLeafPage = 2, kOverflowPage = 4, kFixedPage = 0x20;
// Node: size or page low 2, high 2, flags (or page top) 2, key size 2, key, data.
constexpr std::size_t kNodeHeader = 8;
constexpr std::uint16_t kBigData = 1, kSubTree = 2, kDuplicates = 4;
// Meta, behind the header of pages 0 and 1: magic 4, version 4, address 8, map size 8, two trees of
// 48, last page 8, transaction 8. Tree: pad 4 (the first: page size), flags 2, depth 2, pages 3 *
// 8, entries 8, root 8.
constexpr std::size_t kMetaBytes = 136, kFreeTreeAt = 24, kMainTreeAt = 72;
constexpr std::size_t kMapSizeAt = 16, kDepthAt = 6, kPageCountsAt = 8;
constexpr std::size_t kRootAt = 40, kLastPageAt = 120, kTxnAt = 128;
constexpr std::uint32_t kMagic = 0xBEEFC0DE, kDataVersion = 1;
constexpr unsigned kDeepest = 32;

Commit parse_meta(std::string_view metas, std::size_t at = 0) {
  Commit commit;
  commit.txn = native<std::uint64_t>(metas, at + kTxnAt);
  commit.root = native<std::uint64_t>(metas, at + kMainTreeAt + kRootAt);
  commit.last_page = native<std::uint64_t>(metas, at + kLastPageAt);
  return commit;
}

Error stale() {
  return {ErrorCode::Stale, "the store has moved on; take a new snapshot", "guest snapshot"};
}

}  // namespace

Result<std::shared_ptr<const PageFile>> PageFile::open(const std::filesystem::path& folder) {
  static_assert(sizeof(void*) == 8, "the layout of LMDB's meta page is that of 64-bit machines");
  const auto file = std::make_shared<PageFile>();
  file->file_ = Descriptor(::open((folder / "data.mdb").c_str(), O_RDONLY | O_CLOEXEC));
  if (file->file_.get() < 0) {
    Error error = lmdb_error(errno, fmt::format("open {}", (folder / "data.mdb").native()));
    if (errno == EACCES) error.message = "the store's folder is not readable for this user";
    return fail(std::move(error));
  }
  CLOUDOS_TRY(const std::string meta, file->read_bytes(kPageHeader, kMetaBytes));
  if (native<std::uint32_t>(meta, 0) != kMagic)
    return fail(damaged("data.mdb is not a file of LMDB"));
  if (native<std::uint32_t>(meta, 4) != kDataVersion) {
    return fail(ErrorCode::Unsupported,
                "the store was written by a newer LMDB than this library's guests can read");
  }
  file->page_bytes_ = native<std::uint32_t>(meta, kFreeTreeAt);
  if (!std::has_single_bit(file->page_bytes_) || file->page_bytes_ < 512 ||
      file->page_bytes_ > 65536)
    return fail(damaged("page size"));
  return file;
}

Result<std::string> PageFile::read_bytes(std::uint64_t offset, std::size_t size) const {
  std::string bytes(size, '\0');
  for (std::size_t done = 0; done < size;) {
    const auto got =
        ::pread(file_.get(), bytes.data() + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(lmdb_error(errno, "read page"));
    if (got == 0) return fail(damaged("data.mdb is cut off"));
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

/// Two meta pages take turns; a commit writes the older one, its transaction number last. Reading
/// them twice alike tells that no commit ran through them meanwhile.
Result<std::string> PageFile::whole_metas() const {
  for (std::size_t round = 0; round < limits::kReplanRounds; ++round) {
    CLOUDOS_TRY(std::string first, read_metas());
    CLOUDOS_TRY(const std::string second, read_metas());
    if (first == second) return first;
  }
  return fail(stale());
}

Result<Commit> PageFile::newest() const {
  CLOUDOS_TRY(const std::string both, whole_metas());
  const Commit first = parse_meta(both), second = parse_meta(both, kMetaBytes);
  return first.txn < second.txn ? second : first;
}

Result<std::optional<Commit>> PageFile::find(std::uint64_t txn) const {
  CLOUDOS_TRY(const std::string both, whole_metas());
  for (const std::size_t at : {std::size_t{0}, kMetaBytes})
    if (Commit commit = parse_meta(both, at); commit.txn == txn)
      return std::optional<Commit>(std::move(commit));
  return std::optional<Commit>();
}

Result<FileNumbers> PageFile::numbers() const {
  CLOUDOS_TRY(const std::string both, whole_metas());
  const bool second = parse_meta(both).txn < parse_meta(both, kMetaBytes).txn;
  const std::string_view meta = std::string_view(both).substr(second ? kMetaBytes : 0, kMetaBytes);
  FileNumbers numbers;
  numbers.map_bytes = native<std::uint64_t>(meta, kMapSizeAt);
  numbers.pages = native<std::uint64_t>(meta, kLastPageAt) + 1;
  numbers.depth = native<std::uint16_t>(meta, kMainTreeAt + kDepthAt);
  numbers.used_pages = 2;
  for (const std::size_t tree : {kFreeTreeAt, kMainTreeAt})
    for (const std::size_t kind : {0, 8, 16})  // Branches, leaves, overflow pages.
      numbers.used_pages += native<std::uint64_t>(meta, tree + kPageCountsAt + kind);
  return numbers;
}

Result<std::string> PageFile::read_metas() const {
  CLOUDOS_TRY(std::string metas, read_bytes(kPageHeader, kMetaBytes));
  CLOUDOS_TRY(const std::string other, read_bytes(page_bytes_ + kPageHeader, kMetaBytes));
  return metas + other;
}

Result<std::uint64_t> PageFile::newest_txn() const {
  std::uint64_t newest = 0;
  for (const std::uint64_t page : {0, 1}) {
    const std::uint64_t offset = page * page_bytes_ + kPageHeader + kTxnAt;
    CLOUDOS_TRY(const std::string txn, read_bytes(offset, sizeof newest));
    newest = std::max(newest, native<std::uint64_t>(txn, 0));
  }
  return newest;
}

Result<std::string> PageFile::read(const Commit& at, std::uint64_t page, std::size_t count) const {
  // The commit itself was whole when we looked it up, so that a wild number is damage.
  if (page < 2 || page > at.last_page || count > at.last_page - page + 1)
    return fail(damaged(fmt::format("page {} is out of range", page)));
  CLOUDOS_TRY(std::string bytes, read_bytes(page * page_bytes_, count * page_bytes_));
  CLOUDOS_TRY(const std::uint64_t now, newest_txn());
  if (now > at.txn + 1 && !(at.hold && at.hold->holds())) return fail(stale());
  return bytes;
}

Result<PageCursor::Step> PageCursor::load(std::uint64_t page) const {
  Step step;
  CLOUDOS_TRY(step.page, file_.read(commit_, page, 1));
  const auto flags = native<std::uint16_t>(step.page, kFlagsAt);
  const auto lower = native<std::uint16_t>(step.page, kLowerAt);
  const bool branch = flags & kBranchPage;
  step.leaf = flags & kLeafPage;
  if (native<std::uint64_t>(step.page, 0) != page || branch == step.leaf || (flags & kFixedPage) ||
      lower <= kPageHeader || lower > step.page.size() || lower % 2 != 0)
    return fail(damaged(fmt::format("page {} is not a page of the tree", page)));
  step.count = (lower - kPageHeader) / 2;
  return step;
}

Result<PageCursor::Node> PageCursor::node(const Step& step, std::size_t index) const {
  const std::string_view page = step.page;
  const std::size_t at = native<std::uint16_t>(page, kPageHeader + 2 * index);
  if (at + kNodeHeader > page.size()) return fail(damaged("a node lies outside its page"));
  const std::uint64_t low = native<std::uint16_t>(page, at);
  const std::uint64_t high = native<std::uint16_t>(page, at + 2);
  const std::uint64_t flags = native<std::uint16_t>(page, at + 4);
  const std::size_t key_bytes = native<std::uint16_t>(page, at + 6);
  const std::size_t size = low | high << 16;
  const std::size_t data_at = at + kNodeHeader + key_bytes;
  if (data_at > page.size()) return fail(damaged("a key lies outside its page"));
  Node node;
  node.key = page.substr(at + kNodeHeader, key_bytes);
  if (!step.leaf) {
    node.page = low | high << 16 | flags << 32;
    return node;
  }
  if (flags & (kSubTree | kDuplicates)) return fail(damaged("a node of a foreign kind"));
  const bool big = flags & kBigData;
  if (data_at + (big ? sizeof(std::uint64_t) : size) > page.size())
    return fail(damaged("a value lies outside its page"));
  if (big) {
    node.page = native<std::uint64_t>(page, data_at);
    node.big_bytes = size;
  } else {
    node.data = page.substr(data_at, size);
  }
  return node;
}

Result<void> PageCursor::set_current() {
  CLOUDOS_TRY(current_, node(path_.back(), path_.back().at));
  return Result<void>();
}

Result<void> PageCursor::descend(std::uint64_t page, bool to_last) {
  for (;;) {
    if (path_.size() >= kDeepest) return fail(damaged("the tree is deeper than LMDB allows"));
    CLOUDOS_TRY(Step loaded, load(page));
    loaded.at = to_last ? loaded.count - 1 : 0;
    path_.push_back(std::move(loaded));
    if (path_.back().leaf) return set_current();
    CLOUDOS_TRY(const Node child, node(path_.back(), path_.back().at));
    page = child.page;
  }
}

Result<void> PageCursor::seek(std::string_view key) {
  path_.clear();
  if (commit_.root == kNoPage) return Result<void>();
  for (std::uint64_t page = commit_.root;;) {
    if (path_.size() >= kDeepest) return fail(damaged("the tree is deeper than LMDB allows"));
    CLOUDOS_TRY(Step loaded, load(page));
    // The first node whose key is over `key` (in a branch), or at or over it (in a leaf). A
    // branch's first key is left empty and stands for all that is lower.
    std::size_t low = loaded.leaf ? 0 : 1, high = loaded.count;
    while (low < high) {
      const std::size_t middle = (low + high) / 2;
      CLOUDOS_TRY(const Node probe, node(loaded, middle));
      if (loaded.leaf ? probe.key < key : probe.key <= key)
        low = middle + 1;
      else
        high = middle;
    }
    loaded.at = loaded.leaf ? low : low - 1;
    path_.push_back(std::move(loaded));
    if (path_.back().leaf) break;
    CLOUDOS_TRY(const Node child, node(path_.back(), path_.back().at));
    page = child.page;
  }
  if (path_.back().at < path_.back().count) return set_current();
  --path_.back().at;
  return step(true);
}

Result<void> PageCursor::last() {
  path_.clear();
  if (commit_.root == kNoPage) return Result<void>();
  return descend(commit_.root, true);
}

Result<void> PageCursor::step(bool forward) {
  while (!path_.empty()) {
    Step& top = path_.back();
    const bool more = forward ? top.at + 1 < top.count : top.at > 0;
    if (!more) {
      path_.pop_back();
      continue;
    }
    top.at = forward ? top.at + 1 : top.at - 1;
    if (top.leaf) return set_current();
    CLOUDOS_TRY(const Node child, node(top, top.at));
    return descend(child.page, !forward);
  }
  return Result<void>();
}

Result<void> PageCursor::next() {
  return step(true);
}
Result<void> PageCursor::prev() {
  return step(false);
}

std::string_view PageCursor::key() const {
  return current_.key;
}

Result<std::string_view> PageCursor::value() const {
  if (current_.page == 0) return current_.data;
  const std::size_t pages = (kPageHeader + current_.big_bytes - 1) / file_.page_bytes() + 1;
  CLOUDOS_TRY(big_, file_.read(commit_, current_.page, pages));
  if (!(native<std::uint16_t>(big_, kFlagsAt) & kOverflowPage))
    return fail(damaged("a value's page is not an overflow page"));
  return std::string_view(big_).substr(kPageHeader, current_.big_bytes);
}

}  // namespace cloudos::store::lmdb
