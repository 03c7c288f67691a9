#include "store/lmdb_env.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "store/lmdb_pins.hpp"

namespace cloudos::store::lmdb {

namespace {

constexpr std::size_t kIdleReaders = 64;  // Kept with their slots; more are ended.
constexpr std::uint64_t kFullDiskBytes = 1 << 20;

Result<void> sync_folder(const std::filesystem::path& folder) {
  const Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0 || ::fsync(fd.get()) != 0) return fail(lmdb_error(errno, "sync folder"));
  return Result<void>();
}

/// Makes the folder, private from the first moment on: umask can only take more away.
Result<void> make_folder(const std::filesystem::path& folder) {
  if (::mkdir(folder.c_str(), 0700) != 0) {
    if (errno == EEXIST) return Result<void>();
    Error error = lmdb_error(errno, fmt::format("mkdir {}", folder.native()));
    if (errno == ENOENT) error.message = "the folder that is to hold the store does not exist";
    return fail(std::move(error));
  }
  const auto parent = folder.parent_path();
  return sync_folder(parent.empty() ? std::filesystem::path(".") : parent);
}

}  // namespace

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

Result<void> EnvCursor::seek(std::string_view key) {
  key_ = {key.size(), const_cast<char*>(key.data())};
  return move(MDB_SET_RANGE);
}

Result<void> EnvCursor::move(MDB_cursor_op op) {
  const int code = mdb_cursor_get(cursor_, &key_, &value_, op);
  valid_ = code == MDB_SUCCESS;
  if (code != MDB_SUCCESS && code != MDB_NOTFOUND) return fail(lmdb_error(code, "read"));
  return Result<void>();
}

Result<std::shared_ptr<Env>> Env::open(const LmdbOptions& options) {
  if (options.map_bytes < limits::kStoreMapLeastBytes) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("a store limit of {} bytes is too small; it needs {} at least",
                            options.map_bytes, limits::kStoreMapLeastBytes));
  }
  const std::shared_ptr<Env> env(new Env);
  CLOUDOS_CHECK(env->lock(options));
  CLOUDOS_TRY(env->epoch_, begin_epoch(env->folder_.get()));
  CLOUDOS_CHECK(env->reserve_lock_file(options));
  CLOUDOS_CHECK(env->start(options));
  CLOUDOS_CHECK(env->cover_pages());
  CLOUDOS_TRY(const Reader reader, env->begin_read());
  const auto result = env->found(reader);
  env->end_read(reader);
  CLOUDOS_CHECK(result);
  env->keep_room();
  // A first open: the data file's name must outlive a power cut, as its content does.
  CLOUDOS_CHECK(sync_folder(options.directory));
  return env;
}

void Env::keep_room() {
  MDB_envinfo info;
  mdb_env_info(env_, &info);
  const std::uint64_t used = (info.me_last_pgno + 1) * page_bytes_;
  if (room_until_ >= used + limits::kStoreRoomBytes / 2) return;
  const std::uint64_t until = std::min<std::uint64_t>(used + limits::kStoreRoomBytes,
                                                      info.me_mapsize);
  int fd = -1;
  if (mdb_env_get_fd(env_, &fd) != 0) return;
  // Best effort: a disk that is full already, or a file system that cannot, takes nothing away.
  if (::fallocate(fd, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(used),
                  static_cast<off_t>(until - used)) == 0)
    room_until_ = until;
}

Env::~Env() {
  for (const Reader& reader : idle_) {
    mdb_cursor_close(reader.cursor);
    mdb_txn_abort(reader.txn);
  }
  if (env_) mdb_env_close(env_);
}

/// One owner a folder, in any process: LMDB's lock file must not be opened twice in one (closing it
/// once drops the locks of both). flock belongs to the open file, so it also holds within a
/// process.
Result<void> Env::lock(const LmdbOptions& options) {
  CLOUDOS_CHECK(make_folder(options.directory));
  folder_ = Descriptor(::open(options.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder_.get() < 0) return fail(lmdb_error(errno, "open folder"));
  if (::flock(folder_.get(), LOCK_EX | LOCK_NB) == 0) return Result<void>();
  if (errno != EWOULDBLOCK) return fail(lmdb_error(errno, "lock folder"));
  return fail(ErrorCode::Conflict,
              "the store is in use by another owner; stop that one first, or open it as a guest",
              options.directory.native());
}

/// LMDB makes lock.mdb with holes and writes to it through a map: on a full disk the first reader
/// in a new page of it would end the process (SIGBUS). Before LMDB opens it, as nobody may after.
Result<void> Env::reserve_lock_file(const LmdbOptions& options) {
  constexpr off_t slot_bytes = 64, header_slots = 8;
  const Descriptor fd(::openat(folder_.get(), "lock.mdb", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  struct stat file {};
  if (fd.get() < 0 || ::fstat(fd.get(), &file) != 0)
    return fail(lmdb_error(errno, "open lock.mdb"));
  // An existing one is not extended: one of LMDB's own tools may have it mapped.
  const off_t size =
      file.st_size > 0 ? file.st_size : (options.readers + header_slots) * slot_bytes;
  if (const int code = ::posix_fallocate(fd.get(), 0, size))
    return fail(lmdb_error(code, "reserve lock.mdb"));
  return Result<void>();
}

Result<void> Env::start(const LmdbOptions& options) {
  if (const int code = mdb_env_create(&env_)) return fail(lmdb_error(code, "create environment"));
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  int code = mdb_env_set_mapsize(env_, options.map_bytes / page * page);
  if (!code) code = mdb_env_set_maxreaders(env_, options.readers);
  // NOTLS: a snapshot may move between threads, and a thread may hold several.
  if (!code) code = mdb_env_open(env_, options.directory.c_str(), MDB_NOTLS, 0600);
  if (code) return fail(lmdb_error(code, fmt::format("open {}", options.directory.native())));
  MDB_stat stat;
  MDB_envinfo info;
  mdb_env_stat(env_, &stat);
  mdb_env_info(env_, &info);
  page_bytes_ = stat.ms_psize;
  const std::uint64_t reserve =
      std::min<std::uint64_t>(limits::kStoreReserveBytes, info.me_mapsize / 4);
  usable_pages_ = (info.me_mapsize - reserve) / page_bytes_;
  return Result<void>();
}

/// A data file cut off by a broken copy would end this process (SIGBUS) at the first missing page;
/// with holes there instead, LMDB reads zeros and says so. It may lack unused pages rightfully.
Result<void> Env::cover_pages() {
  int fd = -1;
  struct stat file {};
  MDB_envinfo info;
  mdb_env_info(env_, &info);
  if (const int code = mdb_env_get_fd(env_, &fd)) return fail(lmdb_error(code, "data file"));
  // LMDB sets it on its lock file and its second descriptor only.
  if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return fail(lmdb_error(errno, "close-on-exec"));
  if (::fstat(fd, &file) != 0) return fail(lmdb_error(errno, "stat data file"));
  const auto needed = static_cast<off_t>((info.me_last_pgno + 1) * page_bytes_);
  cut_off_ = file.st_size < needed;
  if (cut_off_ && ::ftruncate(fd, needed) != 0) return fail(lmdb_error(errno, "extend data file"));
  return Result<void>();
}

/// Opens the tree; founds the format in an empty one, checks it in any other.
Result<void> Env::found(Reader reader) {
  MDB_stat stat;
  if (const int code = mdb_stat(reader.txn, tree_, &stat)) return fail(lmdb_error(code, "stat"));
  const Key format(kFormatTag, {});
  if (stat.ms_entries > 0) {
    EnvCursor at(reader.cursor);
    CLOUDOS_CHECK(at.seek(format.view()));
    const bool found = at.valid() && at.key() == format.view();
    if (!found && cut_off_) return fail(damaged("the data file is cut off"));
    if (!found) return check_format({});
    CLOUDOS_TRY(const std::string_view value, at.value());
    CLOUDOS_CHECK(check_format(value));
    return at.last();  // Touches the other end of the tree: a cut-off file shows here.
  }
  MDB_txn* txn = nullptr;
  if (const int code = mdb_txn_begin(env_, nullptr, 0, &txn))
    return fail(lmdb_error(code, "begin"));
  std::string text = format_record();
  MDB_val key{format.view().size(), const_cast<char*>(format.view().data())};
  MDB_val value{text.size(), text.data()};
  if (const int code = mdb_put(txn, tree_, &key, &value, 0)) {
    mdb_txn_abort(txn);
    return fail(lmdb_error(code, "found"));
  }
  if (const int code = mdb_txn_commit(txn)) return fail(commit_error(code));
  return Result<void>();
}

Result<Reader> Env::begin_read() {
  Reader reader;
  {
    LockGuard lock(mutex_);
    if (!idle_.empty()) {
      reader = idle_.back();
      idle_.pop_back();
    }
  }
  if (reader.txn) {
    int code = mdb_txn_renew(reader.txn);
    if (!code) code = mdb_cursor_renew(reader.txn, reader.cursor);
    if (!code) return reader;
    mdb_cursor_close(reader.cursor);
    mdb_txn_abort(reader.txn);
    return fail(lmdb_error(code, "renew snapshot"));
  }
  int code = mdb_txn_begin(env_, nullptr, MDB_RDONLY, &reader.txn);
  if (code == MDB_READERS_FULL && mdb_reader_check(env_, nullptr) == MDB_SUCCESS)
    code = mdb_txn_begin(env_, nullptr, MDB_RDONLY, &reader.txn);
  if (code) return fail(lmdb_error(code, "begin snapshot"));
  if (tree_ == 0) code = mdb_dbi_open(reader.txn, nullptr, 0, &tree_);  // The first, from open().
  if (!code) code = mdb_cursor_open(reader.txn, tree_, &reader.cursor);
  if (!code) return reader;
  mdb_txn_abort(reader.txn);
  return fail(lmdb_error(code, "begin snapshot"));
}

void Env::end_read(Reader reader) {
  mdb_txn_reset(reader.txn);
  {
    LockGuard lock(mutex_);
    if (idle_.size() < kIdleReaders) {
      idle_.push_back(reader);
      return;
    }
  }
  mdb_cursor_close(reader.cursor);
  mdb_txn_abort(reader.txn);
}

Error Env::commit_error(int code) const {
  struct statvfs disk {};
  if (code == EIO && ::fstatvfs(folder_.get(), &disk) == 0 &&
      std::uint64_t{disk.f_bavail} * disk.f_frsize < kFullDiskBytes)
    code = ENOSPC;
  return lmdb_error(code, "commit");
}

}  // namespace cloudos::store::lmdb
