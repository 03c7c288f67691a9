#include "cloudos/random.hpp"

#include <sys/mman.h>
#include <sys/random.h>

#include <cerrno>
#include <cstring>

#include "base/assert.hpp"

namespace cloudos {

std::uint64_t Random::below(std::uint64_t bound) {
  CLOUDOS_ASSERT(bound > 0);
  // Values in the last, incomplete run of `bound` would favour small results: draw again.
  const std::uint64_t fair = UINT64_MAX - UINT64_MAX % bound;
  std::uint64_t value;
  do {
    fill({reinterpret_cast<std::uint8_t*>(&value), sizeof value});
  } while (value >= fair);
  return value % bound;
}

namespace {

void from_kernel(std::span<std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t got = getrandom(bytes.data(), bytes.size(), 0);
    if (got < 0) {
      CLOUDOS_ASSERT(errno == EINTR);
      continue;
    }
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
}

// Ids and nonces are 16 bytes each and several a request: a thread takes a page of them from the
// kernel at once. A child of fork() finds its page empty, so that no two processes hand out the
// same bytes, and what was handed out is not kept.
struct RandomPage {
  std::size_t left;  // Zero in a new page, and in a child's.
  std::uint8_t pool[1024 - sizeof(std::size_t)];
};
constexpr std::size_t kMostFromPage = 64;

// The thread's. Plain data, so that destructors of the thread that come after ours find them as we
// left them, and go to the kernel. (What a destructor leaves in its own members nobody has to see.)
thread_local RandomPage* own_page = nullptr;
thread_local bool own_page_asked = false;

struct OwnPageEnd {
  ~OwnPageEnd() {
    if (!own_page) return;
    explicit_bzero(own_page, sizeof(RandomPage));
    munmap(own_page, sizeof(RandomPage));
    own_page = nullptr;
  }
};

void ask_own_page() {
  own_page_asked = true;
  thread_local const OwnPageEnd end;
  void* const at =
      mmap(nullptr, sizeof(RandomPage), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return;
  if (madvise(at, sizeof(RandomPage), MADV_WIPEONFORK) == 0)
    own_page = static_cast<RandomPage*>(at);
  else
    munmap(at, sizeof(RandomPage));
}

bool take_from_page(std::span<std::uint8_t> out) {
  if (out.size() > kMostFromPage) return false;
  if (!own_page_asked) ask_own_page();
  RandomPage* const page = own_page;
  if (!page) return false;
  if (page->left < out.size()) {
    from_kernel(page->pool);
    page->left = sizeof page->pool;
  }
  page->left -= out.size();
  std::uint8_t* const from = page->pool + page->left;
  std::memcpy(out.data(), from, out.size());
  explicit_bzero(from, out.size());
  return true;
}

}  // namespace

void SystemRandom::fill(std::span<std::uint8_t> bytes) {
  if (!take_from_page(bytes)) from_kernel(bytes);
}

void SeededRandom::fill(std::span<std::uint8_t> bytes) {
  std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < bytes.size(); i += 8) {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    z ^= z >> 31;
    for (std::size_t j = i; j < bytes.size() && j < i + 8; ++j, z >>= 8)
      bytes[j] = static_cast<std::uint8_t>(z);
  }
}

std::string IdSource::uuid() {
  std::uint8_t id[16];
  random_.fill(id);
  {
    std::lock_guard lock(mutex_);
    const auto now = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(clock_.wall().time_since_epoch())
            .count());
    // A clock that stands still or goes back must not make ids go back: count on from the last.
    if (now > last_ms_) {
      last_ms_ = now;
      counter_ = id[7] & 0x7fU;
    } else if (++counter_ > 0xfff) {
      ++last_ms_;
      counter_ = 0;
    }
    for (int i = 0; i < 6; ++i) id[i] = static_cast<std::uint8_t>(last_ms_ >> (40 - 8 * i));
    id[6] = static_cast<std::uint8_t>(0x70U | (counter_ >> 8));
    id[7] = static_cast<std::uint8_t>(counter_);
  }
  id[8] = static_cast<std::uint8_t>((id[8] & 0x3fU) | 0x80U);
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kDigits[id[i] >> 4];
    text += kDigits[id[i] & 15U];
  }
  return text;
}

std::string IdSource::hex() {
  std::string text = uuid();
  std::erase(text, '-');
  return text;
}

}  // namespace cloudos
