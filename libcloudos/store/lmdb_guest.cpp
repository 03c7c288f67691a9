#include "store/lmdb_guest.hpp"

#include "store/lmdb_pages.hpp"
#include "store/lmdb_scan.hpp"

namespace cloudos::store::lmdb {

namespace {

class GuestSnapshot final : public Snapshot {
 public:
  GuestSnapshot(std::shared_ptr<const PageFile> file, const Commit& commit, Revision revision)
      : file_(std::move(file)), commit_(commit), revision_(revision) {}

  Revision revision() const override { return revision_; }
  Result<std::optional<Entry>> get(std::string_view key) const override {
    PageCursor at(*file_, commit_);
    return find_record(at, key);
  }
  Result<std::vector<Entry>> scan(std::string_view prefix,
                                  const ScanOptions& options) const override {
    PageCursor at(*file_, commit_);
    return scan_records(at, prefix, options);
  }

 private:
  const std::shared_ptr<const PageFile> file_;
  const Commit commit_;
  const Revision revision_;
};

class NoWatch final : public Watch {};

/// Runs `read` on the newest commit, again while the owner's commits overtake it.
template <class T>
Result<T> read_newest(const PageFile& file, const std::function<Result<T>(const Commit&)>& read) {
  std::optional<T> value;
  CLOUDOS_CHECK(replan([&]() -> Result<void> {
    CLOUDOS_TRY(const Commit commit, file.newest());
    CLOUDOS_TRY(value, read(commit));
    return Result<void>();
  }));
  return std::move(*value);
}

class GuestStore final : public Store {
 public:
  explicit GuestStore(std::shared_ptr<const PageFile> file) : file_(std::move(file)) {}

  Result<std::unique_ptr<Snapshot>> snapshot() override {
    return read_newest<std::unique_ptr<Snapshot>>(
        *file_, [this](const Commit& commit) -> Result<std::unique_ptr<Snapshot>> {
          PageCursor at(*file_, commit);
          CLOUDOS_TRY(const auto newest, newest_log(at));
          return std::make_unique<GuestSnapshot>(file_, commit, newest ? newest->revision : 0);
        });
  }

  Result<Revision> transact(const Body&) override {
    return fail(ErrorCode::Unavailable,
                "this program reads the store as a guest; changes go through the process that runs "
                "the folder");
  }

  std::unique_ptr<Watch> watch(std::string, std::function<void()>) override {
    return std::make_unique<NoWatch>();  // There is no thread to call from, by contract.
  }

  Result<Changes> changes(std::string_view prefix, Revision since) override {
    return read_newest<Changes>(*file_, [&](const Commit& commit) {
      PageCursor at(*file_, commit);
      return read_changes(at, prefix, since);
    });
  }

 private:
  const std::shared_ptr<const PageFile> file_;
};

Result<void> check_guest_format(const PageFile& file) {
  return replan([&]() -> Result<void> {
    CLOUDOS_TRY(const Commit commit, file.newest());
    PageCursor at(file, commit);
    const Key format(kFormatTag, {});
    CLOUDOS_CHECK(at.seek(format.view()));
    if (!at.valid() || at.key() != format.view()) return check_format({});
    CLOUDOS_TRY(const std::string_view value, at.value());
    return check_format(value);
  });
}

}  // namespace

Result<std::unique_ptr<Store>> open_guest(const LmdbOptions& options) {
  CLOUDOS_TRY(auto file, PageFile::open(options.directory));
  CLOUDOS_CHECK(check_guest_format(*file));
  return std::make_unique<GuestStore>(std::move(file));
}

}  // namespace cloudos::store::lmdb
