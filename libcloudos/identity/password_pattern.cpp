// The one file that sees PCRE2.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include <array>

#include "cloudos/limits.hpp"
#include "identity/account_rules.hpp"

namespace cloudos::identity {
namespace {

// Enough for every sensible pattern; a hopeless one is given up within milliseconds.
constexpr std::uint32_t kMatchSteps = 100'000;
constexpr std::uint32_t kMatchHeapKib = 1'024;

}  // namespace

struct PasswordPattern::Compiled {
  pcre2_code* code = nullptr;
  pcre2_match_context* context = nullptr;
  Compiled() = default;
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;
  ~Compiled() {
    pcre2_match_context_free(context);
    pcre2_code_free(code);
  }
};

PasswordPattern::PasswordPattern(std::unique_ptr<Compiled> compiled)
    : compiled_(std::move(compiled)) {}
PasswordPattern::~PasswordPattern() = default;

Result<std::shared_ptr<const PasswordPattern>> PasswordPattern::compile(const std::string& text) {
  if (text.size() > limits::kPasswordRegexBytes) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("password_regex: longer than {} bytes", limits::kPasswordRegexBytes));
  }
  auto compiled = std::make_unique<Compiled>();
  int error = 0;
  PCRE2_SIZE at = 0;
  compiled->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                                 PCRE2_UTF | PCRE2_ANCHORED | PCRE2_NEVER_BACKSLASH_C |
                                     PCRE2_NO_START_OPTIMIZE,  // Or a probe would tell less.
                                 &error, &at, nullptr);
  if (compiled->code == nullptr) {
    std::array<PCRE2_UCHAR, 256> message{};
    pcre2_get_error_message(error, message.data(), message.size());
    return fail(ErrorCode::InvalidArgument,
                fmt::format("password_regex: {} at character {}",
                            reinterpret_cast<const char*>(message.data()), at + 1));
  }
  compiled->context = pcre2_match_context_create(nullptr);
  pcre2_set_match_limit(compiled->context, kMatchSteps);
  pcre2_set_depth_limit(compiled->context, kMatchSteps);
  pcre2_set_heap_limit(compiled->context, kMatchHeapKib);
  auto pattern = std::shared_ptr<PasswordPattern>(new PasswordPattern(std::move(compiled)));
  // Texts that patterns which repeat a repetition never come to an end with.
  for (const char c : {'a', 'A', '1', '_', ' ', '!'}) {
    for (const std::string_view end : {"", "!", "\n"}) {
      if (pattern->find(std::string(64, c).append(end)) != Found::TooMuchWork) continue;
      return fail(ErrorCode::InvalidArgument,
                  "password_regex: takes too much work for some passwords: does it repeat what is "
                  "repeated already, as in (a+)+?");
    }
  }
  return std::shared_ptr<const PasswordPattern>(std::move(pattern));
}

PasswordPattern::Found PasswordPattern::find(std::string_view password) const {
  pcre2_match_data* const data = pcre2_match_data_create_from_pattern(compiled_->code, nullptr);
  const int found = pcre2_match(compiled_->code, reinterpret_cast<PCRE2_SPTR>(password.data()),
                                password.size(), 0, 0, data, compiled_->context);
  pcre2_match_data_free(data);
  if (found >= 0) return Found::Yes;
  return found == PCRE2_ERROR_NOMATCH ? Found::No : Found::TooMuchWork;
}

}  // namespace cloudos::identity
