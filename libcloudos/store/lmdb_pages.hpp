#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/lmdb_env.hpp"

/// Reads LMDB's data file without LMDB: no lock, no reader slot, no map.
///
/// LMDB's own readers pin pages by a slot in shared memory, for as long as their process is
/// stopped, and take a mutex there to get one. Instead each page is copied out (pread) and *then*
/// the newest commit is looked up. The writer reuses pages that commit n freed from commit n+2 on,
/// so what commit t reaches is whole while commit t+1 is the newest; after that the copy is thrown
/// away unread and the answer is Stale, unless a Hold keeps its pages. Nothing of a torn page is
/// ever interpreted. Source: LMDB 0.9 data format 1 (lmdb.h, mdb.c: MDB_meta, MDB_page, MDB_node).
namespace cloudos::store::lmdb {

/// What keeps a commit's pages from being reused (lmdb_pins.hpp). Thread-safe.
class Hold {
 public:
  virtual ~Hold() = default;
  /// Whether pages that were read before this call were still kept then.
  virtual bool holds() const = 0;
};

/// One commit, as a meta page describes it.
struct Commit {
  std::uint64_t txn = 0;
  std::uint64_t root = 0;  ///< Page of the tree's root; kNoPage when the tree is empty.
  std::uint64_t last_page = 0;
  std::shared_ptr<const Hold> hold;  ///< Null: readable until two more commits passed.
};

/// What the newest meta page says of the whole file.
struct FileNumbers {
  std::uint64_t map_bytes = 0;
  std::uint64_t pages = 0;       ///< Ever used.
  std::uint64_t used_pages = 0;  ///< Of both trees, and the meta pages.
  unsigned depth = 0;
};

inline constexpr std::uint64_t kNoPage = ~std::uint64_t{0};

/// The open data file. Thread-safe: constant after construction.
class PageFile {
 public:
  /// Errors: NotFound, Unavailable, Unsupported, Internal (not LMDB's, or damaged).
  static Result<std::shared_ptr<const PageFile>> open(const std::filesystem::path& folder);
  /// The newest commit.
  Result<Commit> newest() const;
  /// The commit of that number, when it is one of the newest two.
  Result<std::optional<Commit>> find(std::uint64_t txn) const;
  Result<FileNumbers> numbers() const;
  /// `count` pages from `page` on, as commit `at` left them. Errors: Stale.
  Result<std::string> read(const Commit& at, std::uint64_t page, std::size_t count) const;
  std::size_t page_bytes() const { return page_bytes_; }

 private:
  Result<std::string> read_bytes(std::uint64_t offset, std::size_t size) const;
  Result<std::string> read_metas() const;
  Result<std::string> whole_metas() const;
  Result<std::uint64_t> newest_txn() const;

  Descriptor file_;
  std::size_t page_bytes_ = 0;
};

/// A cursor over the tree of one commit, in the shape lmdb_scan.hpp reads by.
class PageCursor {
 public:
  PageCursor(const PageFile& file, const Commit& commit) : file_(file), commit_(commit) {}
  Result<void> seek(std::string_view key);
  Result<void> last();
  Result<void> next();
  Result<void> prev();
  bool valid() const { return !path_.empty(); }
  std::string_view key() const;
  Result<std::string_view> value() const;

 private:
  /// A page on the way from the root, and which of its nodes was taken.
  struct Step {
    std::string page;
    std::size_t count = 0;
    std::size_t at = 0;
    bool leaf = false;
  };
  struct Node {
    std::string_view key;
    std::string_view data;      ///< Of a leaf.
    std::uint64_t page = 0;     ///< Of a branch: the child. Of a leaf: first overflow page.
    std::size_t big_bytes = 0;  ///< Of a value on overflow pages.
  };

  Result<Step> load(std::uint64_t page) const;
  Result<Node> node(const Step& step, std::size_t index) const;
  /// From the page down to a leaf, always at the first (or last) node.
  Result<void> descend(std::uint64_t page, bool to_last);
  Result<void> step(bool forward);
  Result<void> set_current();

  const PageFile& file_;
  const Commit commit_;
  std::vector<Step> path_;  // Root first; empty: outside the tree.
  Node current_;
  mutable std::string big_;  // The value read last from overflow pages.
};

}  // namespace cloudos::store::lmdb
